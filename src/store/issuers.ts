import { and, asc, count, eq, gt, inArray, lt, ne, notExists } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Db } from "./db.ts";
import { bindings, issuers } from "./schema.ts";

export type Issuer = typeof issuers.$inferSelect;
export type IssuerChange = Partial<Omit<Issuer, "id" | "issuer" | "createdAt">>;

export async function insertIssuer(db: Db, issuer: Issuer): Promise<void> {
  await db.insert(issuers).values(issuer);
}

/**
 * The issuer that is open to all, which is made when nobody was bound to it before. It is not deleted before
 * this transaction ends.
 *
 * @returns `undefined` when somebody else deleted or registered it just now
 */
export async function openIssuer(
  tx: Db,
  issuer: Pick<Issuer, "id" | "issuer" | "createdAt">,
): Promise<Issuer | undefined> {
  await tx.insert(issuers).values(issuer).onConflictDoNothing();
  const [opened] = await tx
    .select()
    .from(issuers)
    .where(and(eq(issuers.issuer, issuer.issuer), eq(issuers.registered, false)))
    .for("key share");
  return opened;
}

export async function findIssuer(db: Db, id: string): Promise<Issuer | undefined> {
  const rows = await db.select().from(issuers).where(eq(issuers.id, id));
  return rows[0];
}

/** The same, and whoever else asks so waits until this transaction ends. */
export async function lockIssuer(tx: Db, id: string): Promise<Issuer | undefined> {
  const rows = await tx.select().from(issuers).where(eq(issuers.id, id)).for("update");
  return rows[0];
}

export async function listIssuersById(db: Db, ids: readonly string[]): Promise<Issuer[]> {
  return ids.length === 0
    ? []
    : db
        .select()
        .from(issuers)
        .where(inArray(issuers.id, [...ids]));
}

/** Of issuers, those that are not the only ones of their string. */
export async function listSharedIssuers(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const other = alias(issuers, "other");
  const rows = await db
    .selectDistinct({ id: issuers.id })
    .from(issuers)
    .innerJoin(other, and(eq(other.issuer, issuers.issuer), ne(other.id, issuers.id)))
    .where(inArray(issuers.id, [...ids]));
  return rows.map(({ id }) => id);
}

/** All that share one issuer string. None of them is deleted before this transaction ends. */
export async function holdIssuersOf(tx: Db, issuer: string): Promise<Issuer[]> {
  return tx.select().from(issuers).where(eq(issuers.issuer, issuer)).orderBy(asc(issuers.id)).for("key share");
}

/** In the order in which they were made, those after the id `after`. */
export async function listIssuers(
  db: Db,
  filter: { readonly issuer?: string | undefined; readonly registered?: true; readonly after?: string | undefined },
  limit: number,
): Promise<Issuer[]> {
  return db
    .select()
    .from(issuers)
    .where(
      and(
        filter.issuer === undefined ? undefined : eq(issuers.issuer, filter.issuer),
        filter.registered && eq(issuers.registered, true),
        filter.after === undefined ? undefined : gt(issuers.id, filter.after),
      ),
    )
    .orderBy(asc(issuers.id))
    .limit(limit);
}

export async function countBindingsTo(db: Db, issuerId: string): Promise<number> {
  const [row] = await db.select({ bindings: count() }).from(bindings).where(eq(bindings.issuerId, issuerId));
  return row?.bindings ?? 0;
}

export async function updateIssuer(db: Db, id: string, change: IssuerChange): Promise<void> {
  if (Object.keys(change).length > 0) await db.update(issuers).set(change).where(eq(issuers.id, id));
}

/** Deletes the issuers that a binding opened and that none trusts any more. */
export async function deleteUnboundIssuers(db: Db, madeBefore: Date): Promise<void> {
  await db
    .delete(issuers)
    .where(
      and(
        eq(issuers.registered, false),
        lt(issuers.createdAt, madeBefore),
        notExists(db.select({ id: bindings.id }).from(bindings).where(eq(bindings.issuerId, issuers.id))),
      ),
    );
}

/** Deletes an issuer with the bindings to it. */
export async function deleteIssuer(db: Db, id: string): Promise<void> {
  await db.delete(bindings).where(eq(bindings.issuerId, id));
  await db.delete(issuers).where(eq(issuers.id, id));
}
