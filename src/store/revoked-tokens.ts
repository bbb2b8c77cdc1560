import { eq, lt } from "drizzle-orm";
import type { Db } from "./db.ts";
import { deleteSome } from "./delete-some.ts";
import { revokedTokens } from "./schema.ts";

/** @returns whether it was not revoked before */
export async function insertRevokedToken(tx: Db, token: typeof revokedTokens.$inferInsert): Promise<boolean> {
  const inserted = await tx
    .insert(revokedTokens)
    .values(token)
    .onConflictDoNothing()
    .returning({ jti: revokedTokens.jti });
  return inserted.length > 0;
}

export async function isRevoked(db: Db, jti: string): Promise<boolean> {
  const rows = await db.select({ jti: revokedTokens.jti }).from(revokedTokens).where(eq(revokedTokens.jti, jti));
  return rows.length > 0;
}

/** Forgets tokens that are expired anyway. @returns how many, at most `limit` */
export async function deleteRevokedTokens(tx: Db, expiredBefore: Date, limit: number): Promise<number> {
  return deleteSome(tx, revokedTokens, lt(revokedTokens.expiresAt, expiredBefore), limit);
}
