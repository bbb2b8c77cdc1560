import { statfs } from "node:fs/promises";
import type { PGlite } from "@electric-sql/pglite";

/**
 * Bytes. A write-ahead log that needs its next segment, of 16 MiB, and finds no room for it is the end of the
 * embedded database within this process: nothing may come near that.
 */
const RESERVE = 48 * 1024 * 1024;
const WRITES = /\b(insert into|delete from|update ")/i;

/** The disk is full; the message says what to do. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
  /** PostgreSQL's own for it. */
  readonly code = "53100";
}

/** @throws {DiskFullError} where the disk of a directory has no room left to write with */
export async function requireRoom(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= RESERVE) return;
  throw new DiskFullError(
    `the disk of ${directory} is full: the embedded database writes where ${RESERVE / 1024 / 1024} MiB are free. Make room, and it goes on`,
  );
}

/** Has the embedded database refuse what it may not find room for; it still reads. */
export function keepRoom(client: PGlite, directory: string): PGlite {
  const guard = <T extends Pick<PGlite, "query">>(one: T): T => {
    const query = one.query.bind(one);
    one.query = async <R>(...sent: Parameters<PGlite["query"]>) => {
      if (WRITES.test(sent[0])) await requireRoom(directory);
      return query<R>(...sent);
    };
    return one;
  };
  const transaction = client.transaction.bind(client);
  client.transaction = (work) => transaction((tx) => work(guard(tx)));
  return guard(client);
}
