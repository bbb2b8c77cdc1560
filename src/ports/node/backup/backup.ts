import { readFileSync } from "node:fs";
import { readConfig } from "../../../config.ts";
import type { Environment } from "../../../environment.ts";
import { readRows, wholeTables } from "../../../store/all-rows.ts";
import type { Db } from "../../../store/db.ts";
import { BackupError, type Rows, writeBackup } from "./backup-file.ts";
import { currentSchema, openAsItIs, openSealer, schemaOf } from "./storage.ts";

/** Told of the rows of a table so far. */
export type Progress = (table: string, rows: number) => void;

/**
 * Writes all that the service keeps, as it is at one moment, to a file. PostgreSQL serves on meanwhile.
 *
 * @param version of Berth
 * @returns the number of rows
 * @throws {ConfigError} {DataDirError} {BackupError}
 */
export async function backup(path: string, environment: Environment, version: string, tell: Progress): Promise<number> {
  const config = readConfig(environment, (file) => readFileSync(file, "utf8"));
  const sealer = await openSealer(config);
  const { db, close } = await openAsItIs(config);
  try {
    await requireCurrent(db);
    const header = { schema: currentSchema, version, madeAt: new Date().toISOString() };
    return await db.transaction((tx) => writeBackup(path, header, allRows(tx, tell), sealer), {
      isolationLevel: "repeatable read",
      accessMode: "read only",
    });
  } finally {
    await close();
  }
}

async function* allRows(tx: Db, tell: Progress): AsyncGenerator<Rows> {
  for (const table of wholeTables) {
    let count = 0;
    yield { table, rows: [] };
    for await (const rows of readRows(tx, table)) {
      yield { table, rows };
      count += rows.length;
      tell(table.name, count);
    }
  }
}

async function requireCurrent(db: Db): Promise<void> {
  const schema = await schemaOf(db);
  if (schema === currentSchema) return;
  throw new BackupError(
    `The database has the schema ${schema ?? "of another version, or none of Berth's"}, and this berth has ${currentSchema}. Take the backup with the version that serves from it.`,
  );
}
