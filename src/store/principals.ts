import { eq } from "drizzle-orm";
import type { Db } from "./db.ts";
import { apiTokens, principals } from "./schema.ts";

export type Principal = typeof principals.$inferSelect;

export async function findPrincipalByToken(db: Db, tokenHash: string): Promise<Principal | undefined> {
  const rows = await db
    .select({ principal: principals })
    .from(apiTokens)
    .innerJoin(principals, eq(apiTokens.principalId, principals.id))
    .where(eq(apiTokens.tokenHash, tokenHash));
  return rows[0]?.principal;
}

export async function findPrincipal(db: Db, name: string): Promise<Principal | undefined> {
  const rows = await db.select().from(principals).where(eq(principals.name, name));
  return rows[0];
}

export async function insertPrincipal(db: Db, principal: Principal): Promise<void> {
  await db.insert(principals).values(principal);
}

/** Puts a token in the place of the one that the principal has under that name. */
export async function putApiToken(db: Db, token: typeof apiTokens.$inferInsert): Promise<void> {
  await db
    .insert(apiTokens)
    .values(token)
    .onConflictDoUpdate({
      target: [apiTokens.principalId, apiTokens.name],
      set: { tokenHash: token.tokenHash },
    });
}

/** Whether the service was ever given an API token. */
export async function hasApiToken(db: Db): Promise<boolean> {
  const rows = await db.select({ id: apiTokens.id }).from(apiTokens).limit(1);
  return rows.length > 0;
}
