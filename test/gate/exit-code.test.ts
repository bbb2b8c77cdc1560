import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const vitest = ["node_modules/vitest/vitest.mjs", "run", "--config", "test/gate/vitest.config.ts"];

/** The whole set-up of a run is in it: whatever it brings into the process can change how that ends. */
async function runSuite(name: string, requireAll: "0" | "1") {
  const { PATH, HOME } = process.env;
  const { code, stdout } = await promisify(execFile)(process.execPath, [...vitest, `test/gate/${name}.suite.ts`], {
    cwd: root,
    env: { PATH, HOME, BERTH_REQUIRE_ALL: requireAll },
    timeout: 150_000,
  }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error) => error,
  );
  return { code, figures: stdout.trim().split("\n").at(-1) };
}

it.each([
  ["passes", "1", 0, "1 passed, 0 failed"],
  ["fails", "0", 1, "0 passed, 1 failed, 1 skipped"],
  ["left-out", "0", 0, "0 passed, 0 failed, 1 skipped"],
  ["left-out", "1", 1, "0 passed, 0 failed, 1 skipped"],
] as const)(
  "a run of a suite that %s, with BERTH_REQUIRE_ALL=%s, ends with %i",
  async (name, requireAll, code, figures) => {
    expect(await runSuite(name, requireAll)).toEqual({ code, figures });
  },
  180_000,
);
