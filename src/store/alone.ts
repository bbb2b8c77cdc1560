import { sql } from "drizzle-orm";
import type { Db } from "./db.ts";

/** Any number that nothing else in the database locks. */
const LOCK = 0x6265727468;
const PATIENCE = "5s";

/** Runs `work` in a transaction, on one instance at a time: what comes here together goes one after the other. */
export async function alone<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await takeTurn(tx);
    return work(tx);
  });
}

/** The same for a request, which has a connection in hand and does not wait for ever. */
export async function inTurn<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('lock_timeout', ${PATIENCE}, true)`);
    await takeTurn(tx);
    await tx.execute(sql`select set_config('lock_timeout', '0', true)`);
    return work(tx);
  });
}

async function takeTurn(tx: Db): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${sql.raw(String(LOCK))})`);
}
