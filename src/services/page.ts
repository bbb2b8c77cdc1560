import { base64url } from "jose";
import { isCanonicalBase64url } from "../domain/text.ts";

/** One page of a list, and where the next one starts; absent on the last. */
export interface Page<T> {
  readonly items: readonly T[];
  /** A cursor: clients hand it back as it is. */
  readonly next?: string;
}

/**
 * Makes a page of rows that were read with one more than fits.
 *
 * @param positionOf a row's place in the order of the list
 */
export function pageOf<T>(rows: readonly T[], limit: number, positionOf: (row: T) => string): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: base64url.encode(positionOf(last)) } : { items };
}

/** @returns the position that a cursor stands for; `undefined`: no list gave it */
export function readCursor(cursor: string): string | undefined {
  if (!isCanonicalBase64url(cursor)) return undefined;
  try {
    const position = new TextDecoder("utf-8", { fatal: true }).decode(base64url.decode(cursor));
    // The database takes no NUL.
    return position.includes("\0") ? undefined : position;
  } catch {
    return undefined;
  }
}
