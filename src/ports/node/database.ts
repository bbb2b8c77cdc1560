import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { PGlite } from "@electric-sql/pglite";
import type { Secret } from "../../domain/secret.ts";
import type { Log } from "../../platform.ts";
import { type ChangeListener, unheard } from "../../store/changes.ts";
import { type Db, drizzleOptions } from "../../store/db.ts";
import { listenToEmbedded, listenToPostgres, type OpenChanges } from "./changes.ts";
import { keepRoom, requireRoom } from "./disk-room.ts";
import { packageFile } from "./package-files.ts";
import { importPostgres, type PoolOptions } from "./postgres-driver.ts";

export interface Database {
  readonly db: Db;
  /** How many it has at most. */
  readonly connections: number;
  /** @param maxStaleness seconds; 0: nothing counts as heard */
  listen(listener: ChangeListener, maxStaleness: number, log: Log): Promise<OpenChanges>;
  close(): Promise<void>;
}

const migrationsFolder = fileURLToPath(packageFile("drizzle"));
/** Any number that nothing else in the database locks. */
const MIGRATION_LOCK = 0x6272_6d67;
const POOL_SIZE = 10;
const CONNECT_SECONDS = 5;
/** Between two tries to connect: its return is noticed as soon. */
const BACKOFF_SECONDS = 0.2;
/** Longer than anything waits for a lock. */
const ANSWER_SECONDS = 8;

/** Opens PostgreSQL with its schema current: one instance migrates, the others wait for it. */
export async function openPostgres(url: Secret): Promise<Database> {
  const postgres = await importPostgres();
  const [{ drizzle }, { migrate }] = await Promise.all([
    import("drizzle-orm/postgres-js"),
    import("drizzle-orm/postgres-js/migrator"),
  ]);
  const connect = (max: number, more: PoolOptions = {}) =>
    postgres(url.reveal(), { max, connect_timeout: CONNECT_SECONDS, onnotice: () => {}, ...more });

  const migrator = connect(2);
  try {
    // For the transaction, not the session: a pooler in front would keep the session, and with it the lock.
    await migrator.begin(async (turn) => {
      await turn`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
      await migrate(drizzle(migrator, drizzleOptions), { migrationsFolder });
    });
  } finally {
    await migrator.end();
  }
  const sql = connect(POOL_SIZE, { backoff: () => BACKOFF_SECONDS, answer_timeout: ANSWER_SECONDS });
  return {
    db: drizzle(sql, drizzleOptions) as unknown as Db,
    connections: POOL_SIZE,
    listen: async (listener, maxStaleness, log) =>
      maxStaleness > 0 ? listenToPostgres(url, maxStaleness, listener, log) : { ...unheard, close: async () => {} },
    close: () => sql.end({ timeout: 5 }),
  };
}

/** Where a data directory has the embedded database. */
export function embeddedIn(dataDir: string): string {
  return join(dataDir, "pglite");
}

/** Opens the embedded database with its schema current. The directory must be this process's own. */
export async function openEmbedded(dataDir: string): Promise<Database> {
  const [{ PGlite }, { drizzle }, { migrate }] = await Promise.all([
    import("@electric-sql/pglite"),
    import("drizzle-orm/pglite"),
    import("drizzle-orm/pglite/migrator"),
  ]);
  const directory = embeddedIn(dataDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await requireRoom(directory);
  const client = keepRoom(takeTurns(await PGlite.create(directory)), directory);
  const db = drizzle(client, drizzleOptions);
  await migrate(db, { migrationsFolder });
  return {
    db: db as unknown as Db,
    connections: 1,
    listen: async (listener, maxStaleness) =>
      maxStaleness > 0 ? listenToEmbedded(client, listener) : { ...unheard, close: async () => {} },
    close: () => client.close(),
  };
}

const TURN_MILLISECONDS = 20;

/** The embedded database computes in this very thread: between its queries, others get to theirs. */
function takeTurns(client: PGlite): PGlite {
  let last = performance.now();
  const letOthers = async () => {
    if (performance.now() - last < TURN_MILLISECONDS) return;
    await setImmediate();
    last = performance.now();
  };
  const between = <T extends Pick<PGlite, "query">>(one: T): T => {
    const query = one.query.bind(one);
    one.query = async <R>(...sent: Parameters<PGlite["query"]>) => {
      await letOthers();
      return query<R>(...sent);
    };
    return one;
  };
  const transaction = client.transaction.bind(client);
  client.transaction = (work) => transaction((tx) => work(between(tx)));
  return between(client);
}
