import { sql } from "drizzle-orm";
import { BusyError, type Db, isUnavailable } from "./db.ts";

/** Any number that nothing else in the database locks. */
const LOCK = sql.raw(String(0x6265727468));
const PATIENCE = "5s";
const MAX_QUEUE = 50;

/** Runs `work` in a transaction, on one instance at a time: what comes here together goes one after the other. */
export async function alone<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await takeTurn(tx);
    return work(tx);
  });
}

/**
 * The same for requests: none waits for ever.
 *
 * @throws {BusyError}
 */
export async function inTurn<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return oneByOne(db, "service", () =>
    patiently(db, async (tx) => {
      await takeTurn(tx);
      return work(tx);
    }),
  );
}

async function takeTurn(tx: Db): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${LOCK})`);
}

/** Transactions that do not wait for ever, in which others may be nested. */
const patient = new WeakSet<Db>();

/** A transaction for a request: it keeps its connection from others, and does not wait for ever with it. */
export async function patiently<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  if (patient.has(db)) return db.transaction(work);
  return db.transaction(async (tx) => {
    patient.add(tx);
    await tx.execute(sql`select set_config('lock_timeout', ${PATIENCE}, true)`);
    return work(tx);
  });
}

interface Queue {
  /** Whether the last one in it came to its end, or waited in vain. */
  last: Promise<boolean>;
  length: number;
}

const queues = new WeakMap<Db, Map<string, Queue>>();

/**
 * Runs what comes to this instance under one name one after the other. They wait before they take a connection,
 * since many that waited with one in hand would leave none for anybody else.
 *
 * @throws {BusyError}
 */
export async function oneByOne<T>(db: Db, name: string, work: () => Promise<T>): Promise<T> {
  const named = queues.get(db) ?? new Map<string, Queue>();
  queues.set(db, named);
  const queue = named.get(name) ?? { last: Promise.resolve(true), length: 0 };
  if (queue.length >= MAX_QUEUE) throw new BusyError("too many wait already");
  named.set(name, queue);
  queue.length += 1;
  const turn = queue.last.then((isThrough) => {
    if (!isThrough) throw new BusyError("the one before waited in vain");
    return work();
  });
  queue.last = turn.then(
    () => true,
    (error) => !isUnavailable(error),
  );
  try {
    return await turn;
  } finally {
    queue.length -= 1;
    if (queue.length === 0) named.delete(name);
  }
}
