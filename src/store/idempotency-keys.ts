import { and, eq, lt } from "drizzle-orm";
import type { Db } from "./db.ts";
import { deleteSome } from "./delete-some.ts";
import { idempotencyKeys } from "./schema.ts";

export type IdempotencyKeyRow = typeof idempotencyKeys.$inferSelect;

/**
 * Notes what a request makes. Whoever sends the same key meanwhile waits until this transaction ends.
 *
 * @returns what the key made before; absent: it is new
 */
export async function claimIdempotencyKey(tx: Db, row: IdempotencyKeyRow): Promise<IdempotencyKeyRow | undefined> {
  const claimed = await tx
    .insert(idempotencyKeys)
    .values(row)
    .onConflictDoNothing()
    .returning({ keyHash: idempotencyKeys.keyHash });
  if (claimed.length > 0) return undefined;
  const [before] = await tx
    .select()
    .from(idempotencyKeys)
    .where(and(eq(idempotencyKeys.actorId, row.actorId), eq(idempotencyKeys.keyHash, row.keyHash)));
  return before;
}

/** @returns how many were forgotten, at most `limit` */
export async function deleteIdempotencyKeys(tx: Db, before: Date, limit: number): Promise<number> {
  return deleteSome(tx, idempotencyKeys, lt(idempotencyKeys.createdAt, before), limit);
}
