import { and, eq, lt } from "drizzle-orm";
import type { Db } from "./db.ts";
import { deleteSome } from "./delete-some.ts";
import { usedTokens } from "./schema.ts";

export type UsedToken = typeof usedTokens.$inferSelect;

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

/** Forgets tokens that are expired anyway. @returns how many, at most `limit` */
export async function deleteUsedTokens(tx: Db, expiredBefore: Date, limit: number): Promise<number> {
  return deleteSome(tx, usedTokens, lt(usedTokens.expiresAt, expiredBefore), limit);
}
