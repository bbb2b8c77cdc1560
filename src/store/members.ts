import { and, asc, eq, gt, isNotNull, sql } from "drizzle-orm";
import { unionAll } from "drizzle-orm/pg-core";
import type { OrganizationRole } from "../domain/access.ts";
import type { Db } from "./db.ts";
import { memberships, principals, robots } from "./schema.ts";

export interface Member {
  /** The principal's name, or `org+robot`. */
  readonly name: string;
  readonly kind: "service" | "robot";
  readonly role: OrganizationRole;
}

interface Named {
  readonly id: string;
  readonly name: string;
}

/** Who holds a role in an organization, by name, those after `after`. */
export async function listMembers(db: Db, organization: Named, after: string, limit: number): Promise<Member[]> {
  const robotName = sql<string>`${organization.name}::text || '+' || ${robots.name}`;
  const rows = await unionAll(
    db
      .select({ name: sql<string>`${principals.name}`.as("name"), kind: kind("service"), role: memberships.role })
      .from(memberships)
      .innerJoin(principals, eq(memberships.principalId, principals.id))
      .where(and(eq(memberships.organizationId, organization.id), gt(principals.name, after))),
    db
      .select({ name: robotName.as("name"), kind: kind("robot"), role: sql<OrganizationRole>`${robots.role}` })
      .from(robots)
      .where(and(eq(robots.organizationId, organization.id), isNotNull(robots.role), sql`${robotName} > ${after}`)),
  )
    .orderBy(asc(sql`name`))
    .limit(limit);
  return rows;
}

function kind(name: Member["kind"]) {
  return sql<Member["kind"]>`${name}::text`.as("kind");
}

export async function findMembership(
  db: Db,
  organizationId: string,
  principalId: string,
): Promise<OrganizationRole | undefined> {
  const [row] = await db
    .select({ role: memberships.role })
    .from(memberships)
    .where(and(eq(memberships.organizationId, organizationId), eq(memberships.principalId, principalId)));
  return row?.role;
}

/** @param role `undefined` takes it away */
export async function putMembership(
  tx: Db,
  organizationId: string,
  principalId: string,
  role: OrganizationRole | undefined,
): Promise<void> {
  if (role === undefined) {
    await tx
      .delete(memberships)
      .where(and(eq(memberships.organizationId, organizationId), eq(memberships.principalId, principalId)));
    return;
  }
  await tx
    .insert(memberships)
    .values({ organizationId, principalId, role })
    .onConflictDoUpdate({ target: [memberships.organizationId, memberships.principalId], set: { role } });
}

export async function deleteMembershipsIn(tx: Db, organizationId: string): Promise<void> {
  await tx.delete(memberships).where(eq(memberships.organizationId, organizationId));
}

export async function deleteMembershipsOf(tx: Db, principalId: string): Promise<void> {
  await tx.delete(memberships).where(eq(memberships.principalId, principalId));
}
