import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Environment } from "../src/environment.ts";

export const databases = ["embedded", "postgres"] as const;
export type DatabaseKind = (typeof databases)[number];

export interface Databases {
  /** A new database, as the environment of a server that is to use it. */
  create(name: string): Promise<Environment>;
  remove(): Promise<void>;
}

export async function openDatabases(kind: DatabaseKind): Promise<Databases> {
  if (kind === "postgres") {
    // Its library answers signals in its own way as soon as it is there.
    const { startPostgres } = await import("../test/support/postgres.ts");
    const postgres = await startPostgres();
    return {
      create: async (name) => ({ DATABASE_URL: await postgres.createDatabase(name) }),
      remove: () => postgres.remove(),
    };
  }
  const directory = await mkdtemp(join(tmpdir(), "berth-bench-"));
  return {
    create: async (name) => ({ DATA_DIR: join(directory, name) }),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
