import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./run.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const VARIABLE = "BERTH_TEST_BUILD";

/** Builds `berth` as an install does, for all tests that start it as a process: it starts in a fraction of the time. */
export default async function buildBerth(): Promise<() => Promise<void>> {
  // Where it finds the packages that are not in it.
  const caches = join(root, "node_modules", ".cache");
  await mkdir(caches, { recursive: true });
  const directory = await mkdtemp(join(caches, "berth-"));
  await run("npm", ["run", "--silent", "bundle", "--", `--outdir=${directory}`, "--log-level=warning"], {
    directory: root,
  });
  process.env[VARIABLE] = join(directory, "main.js");
  return () => rm(directory, { recursive: true, force: true });
}

/** The program: that build, or the sources of this version where there is none, or those of another. */
export function berthProgram(source?: string): string {
  const sources = join(source ?? root, "src/ports/node/main.ts");
  return source === undefined ? (process.env[VARIABLE] ?? sources) : sources;
}
