import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Config, ConfigError, readSecretKeys } from "../../../config.ts";
import { lastMigration } from "../../../store/all-rows.ts";
import { type Db, drizzleOptions } from "../../../store/db.ts";
import { createSealer, type Sealer } from "../../../tokens/sealing.ts";
import { DataDirError, lockDataDir, secretKeyFile } from "../data-dir.ts";
import { embeddedIn, openEmbedded, openPostgres } from "../database.ts";
import { requireRoom } from "../disk-room.ts";
import { packageFile } from "../package-files.ts";
import { importPostgres } from "../postgres-driver.ts";

export interface OpenStorage {
  readonly db: Db;
  close(): Promise<void>;
}

const IN_USE =
  "has an embedded database, which one process has open at a time: stop that process, and start it again afterwards. PostgreSQL (DATABASE_URL) has no need of that.";

/** Opens the database of the service and leaves its schema as it is. */
export async function openAsItIs(config: Config): Promise<OpenStorage> {
  const { databaseUrl, dataDir } = config;
  if (databaseUrl) {
    const postgres = await importPostgres();
    const { drizzle } = await import("drizzle-orm/postgres-js");
    const sql = postgres(databaseUrl.reveal(), { max: 1, onnotice: () => {} });
    return { db: drizzle(sql, drizzleOptions) as unknown as Db, close: () => sql.end() };
  }
  if (!isThere(config)) {
    throw new DataDirError(`DATA_DIR ${dataDir} holds no database. Name the one of the service, or set DATABASE_URL.`);
  }
  const directory = embeddedIn(dataDir);
  const lock = await lockDataDir(dataDir, IN_USE);
  const [{ PGlite }, { drizzle }] = await Promise.all([import("@electric-sql/pglite"), import("drizzle-orm/pglite")]);
  await requireRoom(directory);
  const client = await PGlite.create(directory);
  return {
    db: drizzle(client, drizzleOptions) as unknown as Db,
    async close() {
      await client.close();
      lock.release();
    },
  };
}

/**
 * Opens the database of the service, made or brought to this version's schema where it has another.
 *
 * @param check sees it as it is before, and refuses by what it throws
 */
export async function openCurrent(config: Config, check: (db: Db) => Promise<void>): Promise<OpenStorage> {
  if (isThere(config)) {
    const before = await openAsItIs(config);
    await check(before.db).finally(before.close);
  }
  const { databaseUrl, dataDir } = config;
  if (databaseUrl) {
    await (await openPostgres(databaseUrl)).close();
    // Not by the service's own connections, which wait for no answer as long as a copy may take.
    return openAsItIs(config);
  }
  const lock = await lockDataDir(dataDir, IN_USE);
  const { db, close } = await openEmbedded(dataDir);
  return {
    db,
    async close() {
      await close();
      lock.release();
    },
  };
}

function isThere({ databaseUrl, dataDir }: Config): boolean {
  return databaseUrl !== undefined || existsSync(embeddedIn(dataDir));
}

/**
 * By the keys that there are: a new one would open nothing.
 *
 * @throws {ConfigError}
 */
export async function openSealer({ databaseUrl, dataDir, secretKeys }: Config): Promise<Sealer> {
  const path = join(dataDir, secretKeyFile);
  const keys =
    secretKeys ?? (!databaseUrl && existsSync(path) ? readSecretKeys(readFileSync(path, "utf8").trim()) : undefined);
  if (keys) return createSealer(keys);
  const where = databaseUrl ? "" : ` (${path} does not hold it)`;
  throw new ConfigError([`BERTH_SECRET_KEY is required: the key of the service whose data it is${where}`]);
}

interface Migration {
  /** Milliseconds since the epoch. */
  readonly when: number;
  readonly tag: string;
}

const migrations: readonly Migration[] = JSON.parse(
  readFileSync(packageFile("drizzle/meta/_journal.json"), "utf8"),
).entries;

/** The last migration that this version knows. */
export const currentSchema = migrations.at(-1)?.tag ?? "";

/** The name of the last migration of a database; `undefined` where this version does not know it. */
export async function schemaOf(db: Db): Promise<string | undefined> {
  const last = await lastMigration(db);
  return migrations.find(({ when }) => when === last)?.tag;
}
