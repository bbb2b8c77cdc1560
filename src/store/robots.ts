import { and, asc, eq, gt, inArray, isNull, sql } from "drizzle-orm";
import type { RobotName } from "../domain/names.ts";
import type { Db } from "./db.ts";
import { organizations, robots } from "./schema.ts";

export type Robot = typeof robots.$inferSelect;
export type RobotChange = Partial<
  Pick<Robot, "description" | "unstructuredMetadata" | "disabled" | "tokenEpoch" | "role">
>;

/** A robot with the organization that it belongs to. */
export interface RobotOfOrganization {
  readonly robot: Robot;
  readonly organization: typeof organizations.$inferSelect;
}

export async function insertRobot(db: Db, robot: typeof robots.$inferInsert): Promise<void> {
  await db.insert(robots).values(robot);
}

export async function findRobot(db: Db, name: RobotName): Promise<RobotOfOrganization | undefined> {
  const rows = await selectByName(db, name);
  return rows[0];
}

/** The same, and whoever else asks so waits until this transaction ends. */
export async function lockRobot(tx: Db, name: RobotName): Promise<RobotOfOrganization | undefined> {
  const rows = await selectByName(tx, name).for("update", { of: robots });
  return rows[0];
}

/** Locks all robots of an organization, whose own lock keeps others from being made meanwhile. */
export async function lockRobotsIn(tx: Db, organizationId: string): Promise<void> {
  await tx
    .select({ id: robots.id })
    .from(robots)
    .where(eq(robots.organizationId, organizationId))
    .orderBy(asc(robots.name))
    .for("update");
}

function selectByName(db: Db, { organization, robot }: RobotName) {
  return db
    .select({ robot: robots, organization: organizations })
    .from(robots)
    .innerJoin(organizations, eq(robots.organizationId, organizations.id))
    .where(and(eq(organizations.name, organization), isNull(organizations.deletedAt), eq(robots.name, robot)));
}

/** By name, those after `after`. */
export async function listRobots(db: Db, organizationId: string, after: string, limit: number): Promise<Robot[]> {
  return db
    .select()
    .from(robots)
    .where(and(eq(robots.organizationId, organizationId), gt(robots.name, after)))
    .orderBy(asc(robots.name))
    .limit(limit);
}

export async function updateRobot(db: Db, id: string, change: RobotChange): Promise<void> {
  if (Object.keys(change).length > 0) await db.update(robots).set(change).where(eq(robots.id, id));
}

/**
 * Notes when robots were seen, by their ids, but for those that somebody holds just now.
 *
 * @returns the ids of those noted
 */
export async function touchRobots(tx: Db, seen: ReadonlyMap<string, Date>): Promise<string[]> {
  if (seen.size === 0) return [];
  const free = await tx
    .select({ id: robots.id })
    .from(robots)
    .where(inArray(robots.id, [...seen.keys()]))
    .for("no key update", { skipLocked: true });
  const rows = free.map(({ id }) => ({ id, at: seen.get(id) }));
  await tx
    .update(robots)
    .set({ lastAccessed: sql`greatest(${robots.lastAccessed}, seen.at)` })
    .from(sql`json_to_recordset(${JSON.stringify(rows)}::json) as seen(id uuid, at timestamptz)`)
    .where(sql`${robots.id} = seen.id`);
  return free.map(({ id }) => id);
}

export async function deleteRobot(db: Db, id: string): Promise<void> {
  await db.delete(robots).where(eq(robots.id, id));
}

export async function deleteRobotsOf(db: Db, organizationId: string): Promise<void> {
  await db.delete(robots).where(eq(robots.organizationId, organizationId));
}
