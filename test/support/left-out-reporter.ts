import type { Reporter, TestCase, TestModule } from "vitest/node";

/** Closes a run with what it left out and how to get it, and with one line of figures. */
export class LeftOutReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const broken = modules
      .flatMap((module) => [module, ...module.children.allSuites()])
      .filter((suite) => suite.errors().length > 0).length;
    const count = (state: ReturnType<TestCase["result"]>["state"]) =>
      tests.filter((test) => test.result().state === state).length;

    const leftOut = tests.filter((test) => test.result().state === "skipped");
    const reasons = Map.groupBy(leftOut, (test) => /\(left out: (.*?)\)/.exec(test.fullName)?.[1] ?? "skipped");
    for (const [reason, skipped] of reasons) console.log(`Left out ${skipped.length}: ${reason}`);

    if (process.env.BERTH_REQUIRE_ALL === "1" && leftOut.length > 0) process.exitCode = 1;
    const failed = count("failed") + broken + unhandledErrors.length;
    const skipped = leftOut.length > 0 ? `, ${leftOut.length} skipped` : "";
    console.log(`\n${count("passed")} passed, ${failed} failed${skipped}`);
  }
}
