import { sql } from "drizzle-orm";
import { BusyError, type Db, isUnavailable } from "./db.ts";

/** Any number that nothing else in the database locks. */
const LOCK = sql.raw(String(0x6265727468));
const PATIENCE = "5s";

/** Runs `work` in a transaction, on one instance at a time: what comes here together goes one after the other. */
export async function alone<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await takeTurn(tx);
    return work(tx);
  });
}

/** By database: the last in the queue, and whether it got its turn. */
const queues = new WeakMap<Db, Promise<boolean>>();

/**
 * The same for requests. They wait for one another before they take a connection, since many that waited with
 * one in hand would leave none for anybody else; and none waits for ever.
 *
 * @throws {BusyError}
 */
export async function inTurn<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  const before = queues.get(db) ?? Promise.resolve(true);
  const turn = before.then((gotTurn) => {
    if (!gotTurn) throw new BusyError("the one before waited in vain");
    return takeTurnAndWork(db, work);
  });
  const last = turn.then(
    () => true,
    (error) => !isUnavailable(error),
  );
  queues.set(db, last);
  last.finally(() => {
    if (queues.get(db) === last) queues.delete(db);
  });
  return turn;
}

function takeTurnAndWork<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('lock_timeout', ${PATIENCE}, true)`);
    await takeTurn(tx);
    await tx.execute(sql`select set_config('lock_timeout', '0', true)`);
    return work(tx);
  });
}

async function takeTurn(tx: Db): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${LOCK})`);
}
