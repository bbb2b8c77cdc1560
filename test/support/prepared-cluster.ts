import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { preparedWithin } from "./prepared.ts";
import { run } from "./run.ts";

/** Names a data directory that a server was once prepared in, and never ran in. */
const VARIABLE = "BERTH_TEST_CLUSTER";

/**
 * Prepares one data directory for all servers to begin with a copy of, which is faster than to prepare one for each.
 *
 * A process of its own does it: the library that prepares it ends any process it is in with 0, and this one has to
 * tell whether the tests passed.
 */
export default async function prepareCluster(): Promise<() => Promise<void>> {
  const directory = await makeClusterDirectory(preparedWithin());
  const databaseDir = join(directory, "data");
  const script = fileURLToPath(new URL("./prepare-cluster.ts", import.meta.url));
  await run(process.execPath, [script, databaseDir]);
  process.env[VARIABLE] = databaseDir;
  return () => rm(directory, { recursive: true, force: true });
}

export function preparedCluster(): string | undefined {
  return process.env[VARIABLE];
}

/** A new directory for the data directory of a server. */
export async function makeClusterDirectory(within: string): Promise<string> {
  const directory = await mkdtemp(join(within, "berth-postgres-"));
  // As root, the server runs as a user of its own, who has to get in.
  await chmod(directory, 0o711);
  return directory;
}
