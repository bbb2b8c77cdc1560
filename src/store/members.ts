import { and, asc, eq, gt, isNotNull, sql } from "drizzle-orm";
import type { OrganizationRole } from "../domain/access.ts";
import { formatRobotName, parseRobotName } from "../domain/names.ts";
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

/** Who holds a role in an organization: principals, then robots, each by name; those after the name `after`. */
export async function listMembers(db: Db, organization: Named, after: string, limit: number): Promise<Member[]> {
  const people = after.includes("+") ? [] : await listPrincipalsIn(db, organization, after, limit);
  if (people.length === limit) return people;
  const [, robot = ""] = after.split("+");
  return [...people, ...(await listRobotsIn(db, organization, robot, limit - people.length))];
}

async function listPrincipalsIn(db: Db, { id }: Named, after: string, limit: number): Promise<Member[]> {
  const rows = await db
    .select({ name: principals.name, role: memberships.role })
    .from(memberships)
    .innerJoin(principals, eq(memberships.principalId, principals.id))
    .where(and(eq(memberships.organizationId, id), gt(principals.name, after)))
    .orderBy(asc(principals.name))
    .limit(limit);
  return rows.map((row) => ({ ...row, kind: "service" }));
}

async function listRobotsIn(db: Db, { id, name }: Named, after: string, limit: number): Promise<Member[]> {
  const rows = await db
    .select({ robot: robots.name, role: sql<OrganizationRole>`${robots.role}` })
    .from(robots)
    .where(and(eq(robots.organizationId, id), isNotNull(robots.role), gt(robots.name, after)))
    .orderBy(asc(robots.name))
    .limit(limit);
  return rows.map(({ robot, role }) => ({ name: formatRobotName({ organization: name, robot }), kind: "robot", role }));
}

/** Somebody who holds a role in it, by the principal's name, or the robot's in full. */
export async function findMember(db: Db, organization: Named, name: string): Promise<Member | undefined> {
  const robot = parseRobotName(name);
  if (!robot) {
    const [row] = await db
      .select({ role: memberships.role })
      .from(memberships)
      .innerJoin(principals, eq(memberships.principalId, principals.id))
      .where(and(eq(memberships.organizationId, organization.id), eq(principals.name, name)));
    return row && { name, kind: "service", role: row.role };
  }
  if (robot.organization !== organization.name) return undefined;
  const [row] = await db
    .select({ role: robots.role })
    .from(robots)
    .where(and(eq(robots.organizationId, organization.id), eq(robots.name, robot.robot)));
  return row?.role ? { name: formatRobotName(robot), kind: "robot", role: row.role } : undefined;
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
