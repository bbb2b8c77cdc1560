import { defineConfig } from "vitest/config";
import { FiguresReporter } from "./test/support/figures-reporter.ts";
import { LeftOutReporter } from "./test/support/left-out-reporter.ts";

/** What is done to the service to bring it down: real processes, one suite at a time, so that figures mean something. */
export default defineConfig({
  test: {
    include: ["test/chaos/**/*.test.ts"],
    globalSetup: ["test/support/built-berth.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 180_000,
    reporters: ["default", new FiguresReporter(), new LeftOutReporter()],
  },
});
