import { and, asc, count, eq, gt, inArray, isNull, lt, or } from "drizzle-orm";
import type { OrganizationRole } from "../domain/access.ts";
import type { Db } from "./db.ts";
import { apiTokens, memberships, organizations, principals } from "./schema.ts";

export type Principal = typeof principals.$inferSelect;
export type PrincipalChange = Partial<Pick<Principal, "description" | "superUser" | "superReader">>;
export type ApiToken = typeof apiTokens.$inferSelect;

export interface PrincipalByToken {
  readonly principal: Principal;
  readonly token: ApiToken;
}

export async function findApiToken(db: Db, tokenHash: string): Promise<PrincipalByToken | undefined> {
  const rows = await db
    .select({ principal: principals, token: apiTokens })
    .from(apiTokens)
    .innerJoin(principals, eq(apiTokens.principalId, principals.id))
    .where(eq(apiTokens.tokenHash, tokenHash));
  return rows[0];
}

/** The same by its id; it is not ended, nor its principal changed, until this transaction ends. */
export async function holdApiToken(tx: Db, id: string): Promise<PrincipalByToken | undefined> {
  const rows = await tx
    .select({ principal: principals, token: apiTokens })
    .from(apiTokens)
    .innerJoin(principals, eq(apiTokens.principalId, principals.id))
    .where(eq(apiTokens.id, id))
    .for("key share");
  return rows[0];
}

export async function findPrincipal(db: Db, name: string): Promise<Principal | undefined> {
  const rows = await db.select().from(principals).where(eq(principals.name, name));
  return rows[0];
}

export async function findPrincipalById(db: Db, id: string): Promise<Principal | undefined> {
  const rows = await db.select().from(principals).where(eq(principals.id, id));
  return rows[0];
}

/** The principal of that name, and whoever else asks so, or changes anything as that principal, waits until this transaction ends. */
export async function lockPrincipal(tx: Db, name: string): Promise<Principal | undefined> {
  const rows = await tx.select().from(principals).where(eq(principals.name, name)).for("update");
  return rows[0];
}

/** The principal of that name, which is there until this transaction ends. */
export async function keepPrincipal(tx: Db, name: string): Promise<Principal | undefined> {
  const rows = await tx.select().from(principals).where(eq(principals.name, name)).for("key share");
  return rows[0];
}

/** The same, and whoever else asks so waits, too; others may go on as that principal. */
export async function lockTokensOf(tx: Db, name: string): Promise<Principal | undefined> {
  const rows = await tx.select().from(principals).where(eq(principals.name, name)).for("no key update");
  return rows[0];
}

/** By name, those after `after`. */
export async function listPrincipals(db: Db, after: string, limit: number): Promise<Principal[]> {
  return db.select().from(principals).where(gt(principals.name, after)).orderBy(asc(principals.name)).limit(limit);
}

export async function insertPrincipal(db: Db, principal: typeof principals.$inferInsert): Promise<void> {
  await db.insert(principals).values(principal);
}

export async function updatePrincipal(tx: Db, id: string, change: PrincipalChange): Promise<void> {
  if (Object.keys(change).length > 0) await tx.update(principals).set(change).where(eq(principals.id, id));
}

/** Deletes a principal with its tokens and its roles. */
export async function deletePrincipal(tx: Db, id: string): Promise<void> {
  await tx.delete(principals).where(eq(principals.id, id));
}

/** What a principal may do, by the ids of the organizations. */
export async function listRolesOf(db: Db, principalId: string): Promise<[id: string, role: OrganizationRole][]> {
  const rows = await db
    .select({ id: memberships.organizationId, role: memberships.role })
    .from(memberships)
    .where(eq(memberships.principalId, principalId));
  return rows.map(({ id, role }) => [id, role]);
}

export interface NamedRole {
  readonly principalId: string;
  readonly organizationId: string;
  readonly organization: string;
  readonly role: OrganizationRole;
}

/** The same of several, by the organizations' names. */
export async function listNamedRolesOf(db: Db, principalIds: readonly string[]): Promise<NamedRole[]> {
  if (principalIds.length === 0) return [];
  return db
    .select({
      principalId: memberships.principalId,
      organizationId: memberships.organizationId,
      organization: organizations.name,
      role: memberships.role,
    })
    .from(memberships)
    .innerJoin(organizations, eq(memberships.organizationId, organizations.id))
    .where(and(inArray(memberships.principalId, [...principalIds]), isNull(organizations.deletedAt)))
    .orderBy(asc(organizations.name));
}

/** By name. */
export async function listApiTokens(db: Db, principalId: string): Promise<ApiToken[]> {
  return db.select().from(apiTokens).where(eq(apiTokens.principalId, principalId)).orderBy(asc(apiTokens.name));
}

export async function insertApiToken(tx: Db, token: typeof apiTokens.$inferInsert): Promise<void> {
  await tx.insert(apiTokens).values(token);
}

/** Puts a token in the place of the one that the principal has under that name. */
export async function putApiToken(
  db: Db,
  token: Pick<ApiToken, "id" | "principalId" | "name" | "tokenHash" | "createdAt" | "createdBy">,
): Promise<void> {
  await db
    .insert(apiTokens)
    .values(token)
    .onConflictDoUpdate({
      target: [apiTokens.principalId, apiTokens.name],
      set: { tokenHash: token.tokenHash, readOnly: false, organizationIds: null, expiresAt: null },
    });
}

export async function touchApiToken(db: Db, id: string, at: Date): Promise<void> {
  await db
    .update(apiTokens)
    .set({ lastUsed: at })
    .where(and(eq(apiTokens.id, id), or(isNull(apiTokens.lastUsed), lt(apiTokens.lastUsed, at))));
}

export async function deleteApiToken(tx: Db, id: string): Promise<void> {
  await tx.delete(apiTokens).where(eq(apiTokens.id, id));
}

/** Forgets tokens that expired before. */
export async function deleteExpiredApiTokens(db: Db, before: Date): Promise<void> {
  await db.delete(apiTokens).where(lt(apiTokens.expiresAt, before));
}

/** Whether the service was ever given an API token. */
export async function hasApiToken(db: Db): Promise<boolean> {
  const rows = await db.select({ id: apiTokens.id }).from(apiTokens).limit(1);
  return rows.length > 0;
}

/** Tokens by which a superuser can do all that one may, and which are good at that time. */
export async function countSuperUserTokens(tx: Db, at: Date): Promise<number> {
  const [row] = await tx
    .select({ tokens: count() })
    .from(apiTokens)
    .innerJoin(principals, eq(apiTokens.principalId, principals.id))
    .where(
      and(
        eq(principals.superUser, true),
        eq(apiTokens.readOnly, false),
        isNull(apiTokens.organizationIds),
        or(isNull(apiTokens.expiresAt), gt(apiTokens.expiresAt, at)),
      ),
    );
  return row?.tokens ?? 0;
}
