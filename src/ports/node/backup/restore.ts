import { readFileSync } from "node:fs";
import { getTableName, sql } from "drizzle-orm";
import { readConfig } from "../../../config.ts";
import type { Environment } from "../../../environment.ts";
import {
  analyze,
  deleteAllRows,
  holdsRows,
  insertRows,
  isListenedTo,
  withoutTriggers,
} from "../../../store/all-rows.ts";
import { alone } from "../../../store/alone.ts";
import { changesChannel, everything } from "../../../store/changes.ts";
import type { Db } from "../../../store/db.ts";
import { signingKeys } from "../../../store/schema.ts";
import type { Sealer } from "../../../tokens/sealing.ts";
import { openKey, type SealedKey } from "../../../tokens/signing-key.ts";
import type { Progress } from "./backup.ts";
import { BackupError, type Rows, readBackup, readHeader } from "./backup-file.ts";
import { currentSchema, openCurrent, openSealer } from "./storage.ts";

export interface RestoreOptions {
  /** Whether what the database holds is deleted. */
  readonly replaces: boolean;
}

/**
 * Puts what a backup holds into the database of the service, whole or not at all.
 *
 * @returns the number of rows
 * @throws {ConfigError} {DataDirError} {BackupError} {SealError}
 */
export async function restore(
  path: string,
  environment: Environment,
  { replaces }: RestoreOptions,
  tell: Progress,
): Promise<number> {
  const config = readConfig(environment, (file) => readFileSync(file, "utf8"));
  const { schema, version } = await readHeader(path);
  if (schema !== currentSchema) {
    throw new BackupError(
      `${path} has the schema ${schema}, and this berth has ${currentSchema}. Restore it with the version that made it, berth ${version}; a newer one brings it forward when it starts on that database.`,
    );
  }
  const sealer = await openSealer(config);
  for await (const rows of readBackup(path, sealer)) await requireOpen(rows, sealer);

  const { db, close } = await openCurrent(config, (before) => requireFree(before, replaces));
  try {
    return await alone(db, async (tx) => {
      await requireFree(tx, replaces);
      if (replaces) await deleteAllRows(tx);
      let count = 0;
      await withoutTriggers(tx, async () => {
        for await (const { table, rows } of readBackup(path, sealer)) {
          await insertRows(tx, table, rows);
          count += rows.length;
          tell(table.name, count);
        }
      });
      await analyze(tx);
      // Whoever listens all the same, unseen, remembers nothing of before.
      await tx.execute(sql`select pg_notify(${changesChannel}, ${everything})`);
      return count;
    });
  } finally {
    await close();
  }
}

/** Keys that stay shut would stop the start of the service, after all is restored. */
async function requireOpen({ table, rows }: Rows, sealer: Sealer): Promise<void> {
  if (table.name !== getTableName(signingKeys)) return;
  for (const row of rows) {
    const texts: (string | null)[] = JSON.parse(row);
    const column = (name: string) => texts[table.columns.findIndex((one) => one.name === name)] ?? null;
    const sealedPrivateKey = column("sealed_private_key");
    if (sealedPrivateKey === null) continue;
    await openKey(
      {
        id: String(column("id")),
        purpose: column("purpose") as SealedKey["purpose"],
        registryId: column("registry_id"),
        kid: String(column("kid")),
        publicJwk: JSON.parse(String(column("public_jwk"))),
        sealedPrivateKey,
      },
      sealer,
    );
  }
}

async function requireFree(db: Db, replaces: boolean): Promise<void> {
  if (await isListenedTo(db)) {
    throw new BackupError(
      "An instance serves from this database. Stop all of them first: they remember what was there.",
    );
  }
  if (!replaces && (await holdsRows(db))) {
    throw new BackupError(
      "The database holds data already. Restore into an empty one, or delete what is there with it by --replace.",
    );
  }
}
