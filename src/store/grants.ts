import { and, asc, eq, gt, inArray, isNull, or, type SQL, sql } from "drizzle-orm";
import { formatRobotName } from "../domain/names.ts";
import type { Db } from "./db.ts";
import { grants, organizations, registries, robots } from "./schema.ts";

export type GrantRow = typeof grants.$inferInsert;

/** What a robot holds on one registry. */
export async function listGrantsOn(db: Db, robotId: string, registryId: string) {
  return db
    .select({ type: grants.type, pattern: grants.pattern, actions: grants.actions })
    .from(grants)
    .where(and(eq(grants.robotId, robotId), eq(grants.registryId, registryId)));
}

/** The registries that grants can be on, and none of them goes until this transaction ends. */
export async function keepRegistries(tx: Db) {
  return tx
    .select({ id: registries.id, service: registries.service, isDefault: registries.isDefault })
    .from(registries)
    .for("key share");
}

/** What robots hold on repositories of one registry. */
export async function listRepositoryGrants(db: Db, registryId: string, robotIds: readonly string[]) {
  if (robotIds.length === 0) return [];
  return db
    .select({ robotId: grants.robotId, pattern: grants.pattern, actions: grants.actions })
    .from(grants)
    .where(
      and(inArray(grants.robotId, [...robotIds]), eq(grants.registryId, registryId), eq(grants.type, "repository")),
    );
}

export interface StoredGrant extends Pick<GrantRow, "type" | "pattern" | "actions" | "registryId"> {
  readonly id: string;
  /** The registry's `service`. */
  readonly registry: string;
}

const storedGrant = {
  id: grants.id,
  registryId: grants.registryId,
  registry: registries.service,
  type: grants.type,
  pattern: grants.pattern,
  actions: grants.actions,
};

/** What a robot holds on every registry, in the order given. */
export async function listGrants(db: Db, robotId: string): Promise<StoredGrant[]> {
  return db
    .select(storedGrant)
    .from(grants)
    .innerJoin(registries, eq(grants.registryId, registries.id))
    .where(eq(grants.robotId, robotId))
    .orderBy(asc(grants.position));
}

/** The same for all robots of an organization. */
export async function listGrantsIn(db: Db, organizationId: string): Promise<(StoredGrant & { robotId: string })[]> {
  return db
    .select({ ...storedGrant, robotId: grants.robotId })
    .from(grants)
    .innerJoin(registries, eq(grants.registryId, registries.id))
    .innerJoin(robots, eq(grants.robotId, robots.id))
    .where(eq(robots.organizationId, organizationId))
    .orderBy(asc(grants.robotId), asc(grants.position));
}

export async function replaceGrants(tx: Db, robotId: string, rows: readonly GrantRow[]): Promise<void> {
  await tx.delete(grants).where(eq(grants.robotId, robotId));
  if (rows.length > 0) await tx.insert(grants).values([...rows]);
}

/** What a robot holds by exactly that repository's name, or that pattern. */
export async function findRepositoryGrant(db: Db, robotId: string, registryId: string, pattern: string) {
  const [grant] = await db
    .select({ id: grants.id, actions: grants.actions })
    .from(grants)
    .where(and(eq(grants.robotId, robotId), isRepositoryGrant(registryId, pattern)));
  return grant;
}

/** Who holds a grant on exactly that repository, by name. */
export async function listGrantsToRepository(db: Db, registryId: string, repository: string) {
  return db
    .select({ robot: robots.name, organization: organizations, actions: grants.actions })
    .from(grants)
    .innerJoin(robots, eq(grants.robotId, robots.id))
    .innerJoin(organizations, eq(robots.organizationId, organizations.id))
    .where(and(isRepositoryGrant(registryId, repository), isNull(organizations.deletedAt)))
    .orderBy(asc(organizations.name), asc(robots.name));
}

/** A grant on repositories, and whose it is: `org+robot`. */
export interface GrantOfRobot extends Pick<StoredGrant, "id" | "registry" | "pattern" | "actions"> {
  readonly robot: string;
}

interface RepositoryFilter {
  /** On that registry alone. */
  readonly registryId?: string | undefined;
  /** By one of these, */
  readonly patterns: readonly string[];
  /** or by any pattern that starts so. */
  readonly below?: string | undefined;
  readonly after?: string | undefined;
}

/** Everybody's grants by such patterns, in the order in which they were made, those after the id `after`. */
export async function listGrantsTo(
  db: Db,
  { registryId, patterns, below, after }: RepositoryFilter,
  limit: number,
): Promise<GrantOfRobot[]> {
  const rows = await db
    .select({
      id: grants.id,
      registry: registries.service,
      organization: organizations.name,
      robot: robots.name,
      pattern: grants.pattern,
      actions: grants.actions,
    })
    .from(grants)
    .innerJoin(registries, eq(grants.registryId, registries.id))
    .innerJoin(robots, eq(grants.robotId, robots.id))
    .innerJoin(organizations, eq(robots.organizationId, organizations.id))
    .where(
      and(
        eq(grants.type, "repository"),
        registryId === undefined ? undefined : eq(grants.registryId, registryId),
        or(
          inArray(grants.pattern, [...patterns]),
          below === undefined ? undefined : sql`${grants.pattern} ^@ ${below}`,
        ),
        after === undefined ? undefined : gt(grants.id, after),
      ),
    )
    .orderBy(asc(grants.id))
    .limit(limit);
  return rows.map(({ organization, robot, ...grant }) => ({
    ...grant,
    robot: formatRobotName({ organization, robot }),
  }));
}

/** Of an organization's robots, on one registry. */
export interface GrantsByPattern {
  readonly organizationId: string;
  readonly registryId: string;
  readonly pattern: string;
}

/** The robots that hold a grant by exactly that pattern, by name, those after `after`. */
export async function listGrantsByPattern(db: Db, by: GrantsByPattern, after: string, limit: number) {
  return selectByPattern(db, by, gt(robots.name, after)).orderBy(asc(robots.name)).limit(limit);
}

/** The one of these grants that has that id. */
export async function findGrantByPattern(db: Db, by: GrantsByPattern, id: string) {
  const [grant] = await selectByPattern(db, by, eq(grants.id, id));
  return grant;
}

function selectByPattern(db: Db, { organizationId, registryId, pattern }: GrantsByPattern, which: SQL) {
  return db
    .select({ id: grants.id, robot: robots.name, actions: grants.actions })
    .from(grants)
    .innerJoin(robots, eq(grants.robotId, robots.id))
    .where(and(eq(robots.organizationId, organizationId), isRepositoryGrant(registryId, pattern), which));
}

/** Puts a grant in the place of the one by the same pattern, or behind the others. */
export async function putRepositoryGrant(
  tx: Db,
  { robotId, ...grant }: Pick<GrantRow, "id" | "robotId" | "registryId" | "pattern" | "actions">,
): Promise<void> {
  const position = sql`(select coalesce(max(position), -1) + 1 from ${grants} where robot_id = ${robotId})`;
  await tx
    .insert(grants)
    .values({ ...grant, robotId, position, type: "repository" })
    .onConflictDoUpdate({
      target: [grants.robotId, grants.registryId, grants.type, grants.pattern],
      set: { actions: grant.actions },
    });
}

/** @returns whether there was one */
export async function deleteRepositoryGrant(
  tx: Db,
  robotId: string,
  registryId: string,
  pattern: string,
): Promise<boolean> {
  const deleted = await tx
    .delete(grants)
    .where(and(eq(grants.robotId, robotId), isRepositoryGrant(registryId, pattern)))
    .returning({ id: grants.id });
  return deleted.length > 0;
}

function isRepositoryGrant(registryId: string, pattern: string) {
  return and(eq(grants.registryId, registryId), eq(grants.type, "repository"), eq(grants.pattern, pattern));
}
