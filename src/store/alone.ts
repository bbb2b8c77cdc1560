import { sql } from "drizzle-orm";
import { BusyError, type Db, isInVain } from "./db.ts";

/** Any numbers that nothing else in the database locks. */
const LOCK = sql.raw(String(0x6265727468));
const CLEANING = sql.raw(String(0x6265727469));
const PATIENCE = "5s";

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
    transact(db, async (tx) => {
      await takeTurn(tx);
      return work(tx);
    }),
  );
}

/**
 * Runs what only has to be done by somebody in a transaction, unless another instance is at such work.
 *
 * @returns what `work` does; `undefined` where it was left to the other
 */
export async function unlessAnother<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T | undefined> {
  return db.transaction(async (tx) => {
    const [lock] = await tx
      .select({ isOurs: sql<boolean>`pg_try_advisory_xact_lock(${CLEANING})` })
      .from(sql`(values (1)) as one`);
    return lock?.isOurs ? work(tx) : undefined;
  });
}

async function takeTurn(tx: Db): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${LOCK})`);
}

/**
 * A transaction for a request: it keeps its connection from others, and does not wait for ever with it.
 *
 * @param within the organization that it changes something in, or the path of what else it changes: few of those
 *   that may wait for each other do so with a connection each
 * @throws {BusyError}
 */
export async function patiently<T>(db: Db, within: string, work: (tx: Db) => Promise<T>): Promise<T> {
  const run = () => transact(db, work);
  return patient.has(db) ? run() : fewAtOnce(db, `changes in ${within}`, AT_ONCE_WITHIN, run);
}

/**
 * Runs what comes to this instance under one name one after the other.
 *
 * @throws {BusyError}
 */
export function oneByOne<T>(db: Db, name: string, work: () => Promise<T>): Promise<T> {
  return fewAtOnce(db, name, 1, work);
}

/** Transactions that do not wait for ever, in which others may be nested. */
const patient = new WeakSet<Db>();

async function transact<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  if (patient.has(db)) return db.transaction(work);
  return withPlace(lineOf(db, "changes"), AT_ONCE, () =>
    db.transaction(async (tx) => {
      patient.add(tx);
      await tx.execute(sql`select set_config('lock_timeout', ${PATIENCE}, true)`);
      return work(tx);
    }),
  );
}

/** Of an instance's ten connections. The others are for exchanges and registry tokens, which wait for no change. */
const AT_ONCE = 6;
/** Of these, so that who waits for one organization leaves some to the others. */
const AT_ONCE_WITHIN = 3;
/** Of one name. */
const MAX_LINE = 50;

/** Who comes to this instance under one name. They wait before they take a connection. */
interface Line {
  running: number;
  readonly waiting: { begin(): void; giveUp(error: BusyError): void }[];
}

const lines = new WeakMap<Db, Map<string, Line>>();

function lineOf(db: Db, name: string): Line {
  const named = lines.get(db) ?? new Map<string, Line>();
  lines.set(db, named);
  const line = named.get(name) ?? { running: 0, waiting: [] };
  named.set(name, line);
  return line;
}

/** When one of them waited in vain, the others would do so, too: they are told at once. */
async function fewAtOnce<T>(db: Db, name: string, places: number, work: () => Promise<T>): Promise<T> {
  const line = lineOf(db, name);
  if (line.running + line.waiting.length >= MAX_LINE) throw new BusyError("too many wait already");
  try {
    return await withPlace(line, places, async () => {
      try {
        return await work();
      } catch (error) {
        if (isInVain(error)) {
          for (const { giveUp } of line.waiting.splice(0)) giveUp(new BusyError("the one before waited in vain"));
        }
        throw error;
      }
    });
  } finally {
    if (line.running === 0) lines.get(db)?.delete(name);
  }
}

async function withPlace<T>(line: Line, places: number, work: () => Promise<T>): Promise<T> {
  if (line.running < places) line.running += 1;
  else await new Promise<void>((begin, giveUp) => line.waiting.push({ begin, giveUp }));
  try {
    return await work();
  } finally {
    const next = line.waiting.shift();
    if (next) next.begin();
    else line.running -= 1;
  }
}
