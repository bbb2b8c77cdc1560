import { defineConfig } from "vitest/config";
import { CompatibilityReporter } from "./test/support/compatibility-reporter.ts";
import { LeftOutReporter } from "./test/support/left-out-reporter.ts";

const everything = ["test/**/*.test.ts"];
const chaos = ["test/chaos/**"];
/** They change modules while these are loaded, which no other file may have done before them, or find. */
const apart = ["test/attack/hostile-issuer-dns.test.ts", "test/ports/postgres-driver.test.ts"];

export default defineConfig({
  test: {
    globalSetup: [
      "test/support/built-berth.ts",
      "test/support/embedded-database.ts",
      "test/support/prepared-cluster.ts",
    ],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 20_000 } },
    reporters: ["default", new CompatibilityReporter("distribution 2", /\.test\.ts$/), new LeftOutReporter()],
    projects: [
      { extends: true, test: { name: "together", include: everything, exclude: [...chaos, ...apart], isolate: false } },
      { extends: true, test: { name: "apart", include: apart } },
    ],
  },
});
