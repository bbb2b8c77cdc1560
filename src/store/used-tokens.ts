import { and, eq, lt } from "drizzle-orm";
import type { Db } from "./db.ts";
import { usedTokens } from "./schema.ts";

export type UsedToken = typeof usedTokens.$inferSelect;

/**
 * Notes that a token was used.
 *
 * @returns the earlier use, if there was one: then nothing is noted. Of one that was forgotten just now, this one
 */
export async function insertUsedToken(tx: Db, token: UsedToken): Promise<UsedToken | undefined> {
  const inserted = await tx.insert(usedTokens).values(token).onConflictDoNothing().returning({ jti: usedTokens.jti });
  return inserted.length > 0 ? undefined : ((await findUsedToken(tx, token)) ?? token);
}

export async function findUsedToken(
  db: Db,
  { issuerId, jti, robotId }: Pick<UsedToken, "issuerId" | "jti" | "robotId">,
): Promise<UsedToken | undefined> {
  const rows = await db
    .select()
    .from(usedTokens)
    .where(and(eq(usedTokens.issuerId, issuerId), eq(usedTokens.jti, jti), eq(usedTokens.robotId, robotId)));
  return rows[0];
}

/** Forgets tokens that are expired anyway. */
export async function deleteUsedTokens(db: Db, expiredBefore: Date): Promise<void> {
  await db.delete(usedTokens).where(lt(usedTokens.expiresAt, expiredBefore));
}
