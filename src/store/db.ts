import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import * as schema from "./schema.ts";

/** PostgreSQL, by whatever driver: a pool, or a transaction on one of its connections. */
export type Db = PgDatabase<PgQueryResultHKT, typeof schema>;

/** How both drivers are to be told that columns are named in snake_case. */
export const drizzleOptions = { schema, casing: "snake_case" } as const;

/** What is built once for each database, and kept ready there by its name. */
export function prepareOnce<Query extends object>(prepare: (db: Db) => Query): (db: Db) => Query {
  const queries = new WeakMap<Db, Query>();
  return (db) => {
    const query = queries.get(db) ?? prepare(db);
    queries.set(db, query);
    return query;
  };
}

const UNIQUE_VIOLATION = "23505";
/** `58000` is what Hyperdrive says when it gets no connection. */
const UNREACHABLE =
  /^(08...|57P0[1-5]|58000|ECONN.*|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|CONNECTION_.*|CONNECT_TIMEOUT)$/;
/** `insufficient_resources` and `io_error`. */
const UNABLE = /^(53...|58030)$/;
/** A lock that was not to be had in time, a deadlock, and what asks for another try. */
const BUSY = /^(55P03|40P01|40001)$/;
/** `undefined_table` and `undefined_column`: the schema is not there, or older than this code. */
const NO_SCHEMA = ["42P01", "42703"];

/** What the first start puts into the database is not there. */
export class UnpreparedError extends Error {
  override readonly name = "UnpreparedError";
}

/** Others were at it all the time: worth another try. */
export class BusyError extends Error {
  override readonly name = "BusyError";
}

/** What was read a moment ago was deleted since: worth another try. */
export class GoneError extends Error {
  override readonly name = "GoneError";
}

export function isUniqueViolation(error: unknown): boolean {
  return codes(error).includes(UNIQUE_VIOLATION);
}

/** Whether others were at the same thing for too long: worth another try. */
export function isBusy(error: unknown): boolean {
  return error instanceof GoneError || error instanceof BusyError || codes(error).some((code) => BUSY.test(code));
}

/** Whether there is no database to talk to, or it says nothing: whatever else is asked of it now would wait as long. */
function isUnreachable(error: unknown): boolean {
  return codes(error).some((code) => UNREACHABLE.test(code)) || isLostSocket(error);
}

/** For who goes on all the same after a failure. @throws the error, if the database is unreachable */
export function throwUnreachable(error: unknown): void {
  if (isUnreachable(error)) throw error;
}

/** Whether the database could not be reached, or could not do its work now: worth a try later. */
export function isUnavailable(error: unknown): boolean {
  return isBusy(error) || isUnreachable(error) || codes(error).some((code) => UNABLE.test(code));
}

/** Whether who comes next for the same would wait in vain, too: not so where two got into each other's way. */
export function isInVain(error: unknown): boolean {
  return isUnavailable(error) && !(error instanceof GoneError) && !codes(error).some((code) => code.startsWith("40"));
}

/**
 * Whether a socket of Cloudflare's failed: with a plain error, which has no code. The driver notes the query
 * on it, as on every error that a query meets; what the server answers has a code.
 */
function isLostSocket(error: unknown): boolean {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  return root instanceof Error && root.constructor === Error && "query" in root && !("code" in root);
}

/** Whether the database was never brought to where the service can run, which a start on Node does. */
export function isUnprepared(error: unknown): boolean {
  return error instanceof UnpreparedError || codes(error).some((code) => NO_SCHEMA.includes(code));
}

/** The codes of an error and of all that caused it. */
function codes(error: unknown): string[] {
  const found: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") found.push(cause.code);
  }
  return found;
}
