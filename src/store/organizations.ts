import { and, asc, eq, gt, isNull } from "drizzle-orm";
import type { Db } from "./db.ts";
import { organizations } from "./schema.ts";

export type Organization = typeof organizations.$inferSelect;
export type OrganizationChange = Partial<Pick<Organization, "email" | "audiences" | "clients">>;

export async function insertOrganization(db: Db, organization: typeof organizations.$inferInsert): Promise<void> {
  await db.insert(organizations).values(organization);
}

export async function findOrganization(db: Db, name: string): Promise<Organization | undefined> {
  const rows = await db
    .select()
    .from(organizations)
    .where(and(eq(organizations.name, name), isNull(organizations.deletedAt)));
  return rows[0];
}

/** By name, those after `after`. */
export async function listOrganizations(db: Db, after: string, limit: number): Promise<Organization[]> {
  return db
    .select()
    .from(organizations)
    .where(and(isNull(organizations.deletedAt), gt(organizations.name, after)))
    .orderBy(asc(organizations.name))
    .limit(limit);
}

export async function updateOrganization(db: Db, id: string, change: OrganizationChange): Promise<void> {
  if (Object.keys(change).length > 0) await db.update(organizations).set(change).where(eq(organizations.id, id));
}

export async function markOrganizationDeleted(db: Db, id: string, deletedAt: Date): Promise<void> {
  await db.update(organizations).set({ deletedAt }).where(eq(organizations.id, id));
}
