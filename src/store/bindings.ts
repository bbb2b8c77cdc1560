import { and, asc, eq, inArray, sql } from "drizzle-orm";
import type { Binding } from "../domain/binding.ts";
import type { Db } from "./db.ts";
import { bindings, issuers, robots } from "./schema.ts";

/** A binding with the issuer it trusts, and its history. */
export interface BindingRecord extends Binding {
  readonly issuerId: string;
  readonly issuerRegistered: boolean;
  readonly issuerDisabled: boolean;
  readonly issuerPreset: string | null;
  readonly description: string | null;
  readonly createdAt: Date;
  readonly lastUsed: Date | null;
  readonly useCount: number;
}

export type BindingRow = typeof bindings.$inferInsert;

export async function listBindings(db: Db, robotId: string): Promise<BindingRecord[]> {
  const rows = await db
    .select({
      binding: bindings,
      issuer: {
        issuer: issuers.issuer,
        issuerRegistered: issuers.registered,
        issuerDisabled: issuers.disabled,
        issuerPreset: issuers.preset,
      },
    })
    .from(bindings)
    .innerJoin(issuers, eq(bindings.issuerId, issuers.id))
    .where(eq(bindings.robotId, robotId))
    .orderBy(asc(bindings.position));
  return rows.map(({ binding, issuer }) => ({
    ...binding,
    ...issuer,
    expiresAt: binding.expiresAt && Math.floor(binding.expiresAt.getTime() / 1000),
  }));
}

export async function insertBinding(db: Db, binding: BindingRow): Promise<void> {
  await db.insert(bindings).values(binding);
}

export async function updateBinding(db: Db, id: string, change: Partial<BindingRow>): Promise<void> {
  await db.update(bindings).set(change).where(eq(bindings.id, id));
}

export async function deleteBindings(db: Db, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await db.delete(bindings).where(inArray(bindings.id, [...ids]));
}

/**
 * Counts a use of a binding, and holds it until the transaction ends.
 *
 * @param issuerRevision of the issuer, as it was when its token was verified
 * @returns whether that version of it, its robot and that revision of its issuer still stand
 */
export async function useBinding(tx: Db, { id, version }: Binding, issuerRevision: number, at: Date): Promise<boolean> {
  const used = await tx
    .update(bindings)
    .set({ useCount: sql`${bindings.useCount} + 1`, lastUsed: at })
    .from(robots)
    .innerJoin(issuers, sql`true`)
    .where(
      and(
        eq(bindings.id, id),
        eq(bindings.version, version),
        eq(robots.id, bindings.robotId),
        eq(robots.disabled, false),
        eq(issuers.id, bindings.issuerId),
        eq(issuers.revision, issuerRevision),
        eq(issuers.disabled, false),
      ),
    )
    .returning({ id: bindings.id });
  return used.length > 0;
}
