import { defineConfig } from "vitest/config";
import { CompatibilityReporter } from "./test/support/compatibility-reporter.ts";
import { LeftOutReporter } from "./test/support/left-out-reporter.ts";

/** The registries that come as Go modules: they are built first, which takes minutes and wants Go. */
export default defineConfig({
  test: {
    include: ["test/e2e/compatibility/*.suite.ts"],
    globalSetup: [
      "test/support/embedded-database.ts",
      "test/support/prepared-cluster.ts",
      "test/support/built-registries.ts",
    ],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    reporters: [
      "default",
      new CompatibilityReporter("distribution 3", /^distribution-3.*\.suite\.ts$/),
      new CompatibilityReporter("zot", /^zot.*\.suite\.ts$/),
      new LeftOutReporter(),
    ],
  },
});
