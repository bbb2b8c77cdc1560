import { defineConfig } from "vitest/config";

/** The tests that mutation testing runs: the rules' own, without help from those that go through the service. */
export default defineConfig({
  test: { include: ["test/domain/**/*.test.ts", "test/oidc/**/*.test.ts"] },
});
