import { defineConfig } from "vitest/config";
import { LeftOutReporter } from "./test/support/left-out-reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    reporters: ["default", new LeftOutReporter()],
  },
});
