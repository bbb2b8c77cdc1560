import { cpSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbedded } from "../../src/ports/node/database.ts";

/** Names a data directory with an embedded database whose schema is current, and with nothing else in it. */
const VARIABLE = "BERTH_TEST_DATABASE";

/** Makes one empty database for all tests to copy, which is faster than to make one. */
export default async function prepareEmbeddedDatabase(): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "berth-database-"));
  await (await openEmbedded(directory)).close();
  process.env[VARIABLE] = directory;
  return () => rm(directory, { recursive: true, force: true });
}

/** A new data directory, with a copy of that database if it is wanted and there is one. */
export async function makeDataDir(embedded = true, within = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(within, "berth-test-"));
  const prepared = embedded ? process.env[VARIABLE] : undefined;
  // A thousand small files, which the asynchronous one takes five times as long for.
  if (prepared) cpSync(prepared, directory, { recursive: true });
  return directory;
}
