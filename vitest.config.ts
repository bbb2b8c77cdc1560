import { defineConfig } from "vitest/config";
import { CompatibilityReporter } from "./test/support/compatibility-reporter.ts";
import { LeftOutReporter } from "./test/support/left-out-reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/chaos/**"],
    globalSetup: ["test/support/embedded-database.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 20_000 } },
    reporters: ["default", new CompatibilityReporter("distribution 2", /\.test\.ts$/), new LeftOutReporter()],
  },
});
