/** Mutation testing: does a test fail when a rule is changed? A report to read, not a gate. */
export default {
  testRunner: "vitest",
  // The presets' data is not logic: its texts are shown right by the tokens that they are made for.
  mutate: ["src/domain/**/*.ts", "src/oidc/**/*.ts", "!src/domain/preset-data*.ts"],
  // Which tests: Stryker's own testFiles would let each mutant of a module's constants survive untested (stryker-js#6144).
  vitest: { configFile: "vitest.mutation.config.ts" },
  // Stryker would rewrite tsconfig.json with the JavaScript API that TypeScript 7 has no longer. It needs no rewriting.
  tsconfigFile: "none",
  concurrency: 2,
  reporters: ["clear-text", "html"],
  clearTextReporter: { logTests: false, reportTests: false },
  htmlReporter: { fileName: "reports/mutation.html" },
  tempDirName: "reports/sandbox",
};
