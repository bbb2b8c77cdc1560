import { sql } from "drizzle-orm";
import type { Db } from "./db.ts";

/** Any number that nothing else in the database locks. */
const LOCK = 0x6265727468;

/** Runs `work` in a transaction, on one instance at a time: what comes here together goes one after the other. */
export async function alone<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${sql.raw(String(LOCK))})`);
    return work(tx);
  });
}
