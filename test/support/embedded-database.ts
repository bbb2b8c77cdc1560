import { cpSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openEmbedded } from "../../src/ports/node/database.ts";
import { preparedWithin } from "./prepared.ts";

/** Names a data directory with an embedded database whose schema is current, and with nothing else in it. */
const VARIABLE = "BERTH_TEST_DATABASE";

/** Makes one empty database for all tests to copy, which is faster than to make one. */
export default async function prepareEmbeddedDatabase(): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(preparedWithin(), "berth-database-"));
  await (await openEmbedded(directory)).close();
  process.env[VARIABLE] = directory;
  return () => rm(directory, { recursive: true, force: true });
}

/** A new data directory, with a copy of that database, and beside it, if it is wanted and there is one. */
export async function makeDataDir(embedded = true, within?: string): Promise<string> {
  const prepared = embedded ? process.env[VARIABLE] : undefined;
  const directory = await mkdtemp(join(within ?? (prepared ? dirname(prepared) : tmpdir()), "berth-test-"));
  // A thousand small files, which the asynchronous one takes five times as long for.
  if (prepared) cpSync(prepared, directory, { recursive: true });
  return directory;
}
