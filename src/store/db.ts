import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import * as schema from "./schema.ts";

/** PostgreSQL, by whatever driver: a pool, or a transaction on one of its connections. */
export type Db = PgDatabase<PgQueryResultHKT, typeof schema>;

/** How both drivers are to be told that columns are named in snake_case. */
export const drizzleOptions = { schema, casing: "snake_case" } as const;

const UNIQUE_VIOLATION = "23505";
/** `55P03` is a lock that was not to be had in time; `58000` is what Hyperdrive says when it gets no connection; `40...` asks for another try. */
const UNAVAILABLE =
  /^(08...|40001|40P01|57P0[1-5]|53...|55P03|58000|58030|ECONN.*|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|CONNECTION_.*|CONNECT_TIMEOUT)$/;
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

/** Whether the database could not be reached, or could not do its work now: worth a try later. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof GoneError || error instanceof BusyError) return true;
  return codes(error).some((code) => UNAVAILABLE.test(code)) || isLostSocket(error);
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
