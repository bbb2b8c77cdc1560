import { and, asc, eq, gt, inArray, sql } from "drizzle-orm";
import type { Binding } from "../domain/binding.ts";
import { formatRobotName } from "../domain/names.ts";
import type { BindingUse } from "../domain/uses.ts";
import type { Db } from "./db.ts";
import { bindings, issuers, organizations, robots } from "./schema.ts";

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
    .select({ binding: bindings, issuer: ofIssuer })
    .from(bindings)
    .innerJoin(issuers, eq(bindings.issuerId, issuers.id))
    .where(eq(bindings.robotId, robotId))
    .orderBy(asc(bindings.position));
  return rows.map(toRecord);
}

/** Those of all robots of an organization, each one's in order. */
export async function listBindingsIn(db: Db, organizationId: string): Promise<(BindingRecord & { robotId: string })[]> {
  const rows = await db
    .select({ binding: bindings, issuer: ofIssuer })
    .from(bindings)
    .innerJoin(issuers, eq(bindings.issuerId, issuers.id))
    .innerJoin(robots, eq(bindings.robotId, robots.id))
    .where(eq(robots.organizationId, organizationId))
    .orderBy(asc(bindings.robotId), asc(bindings.position));
  return rows.map((row) => ({ ...toRecord(row), robotId: row.binding.robotId }));
}

const ofIssuer = {
  issuer: issuers.issuer,
  issuerRegistered: issuers.registered,
  issuerDisabled: issuers.disabled,
  issuerPreset: issuers.preset,
};

/** A binding, and whose it is: `org+robot`. */
export interface BindingOfRobot {
  readonly binding: BindingRecord;
  readonly robot: string;
}

interface TrustFilter {
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  readonly after?: string | undefined;
}

/** The bindings to an issuer, or to one subject of it, in the order in which they were made, those after the id `after`. */
export async function listBindingsTo(db: Db, filter: TrustFilter, limit: number): Promise<BindingOfRobot[]> {
  const rows = await db
    .select({ binding: bindings, issuer: ofIssuer, organization: organizations.name, robot: robots.name })
    .from(bindings)
    .innerJoin(issuers, eq(bindings.issuerId, issuers.id))
    .innerJoin(robots, eq(bindings.robotId, robots.id))
    .innerJoin(organizations, eq(robots.organizationId, organizations.id))
    .where(inArray(bindings.id, selectBindingsTo(db, filter, limit)))
    .orderBy(asc(bindings.id));
  return rows.map(({ organization, robot, ...row }) => ({
    binding: toRecord(row),
    robot: formatRobotName({ organization, robot }),
  }));
}

/** Their ids alone: of each issuer that shares the string no more are read than one page could take. */
function selectBindingsTo(db: Db, { issuer, subject, after }: TrustFilter, limit: number) {
  const page = db
    .select({ id: bindings.id })
    .from(bindings)
    .where(
      and(
        issuer === undefined ? undefined : eq(bindings.issuerId, issuers.id),
        subject === undefined ? undefined : eq(bindings.subject, subject),
        after === undefined ? undefined : gt(bindings.id, after),
      ),
    )
    .orderBy(asc(bindings.id))
    .limit(limit);
  if (issuer === undefined) return page;
  const own = page.as("own");
  return db
    .select({ id: own.id })
    .from(issuers)
    .innerJoinLateral(own, sql`true`)
    .where(eq(issuers.issuer, issuer))
    .orderBy(asc(own.id))
    .limit(limit);
}

interface JoinedRow {
  readonly binding: typeof bindings.$inferSelect;
  readonly issuer: Pick<BindingRecord, keyof typeof ofIssuer>;
}

function toRecord({ binding, issuer }: JoinedRow): BindingRecord {
  const expiresAt = binding.expiresAt && Math.floor(binding.expiresAt.getTime() / 1000);
  return { ...binding, ...issuer, expiresAt };
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
 * Adds to the counts of bindings, but of those that somebody changes just now.
 *
 * @returns the ids of those that were counted
 */
export async function addBindingUses(tx: Db, uses: ReadonlyMap<string, BindingUse>): Promise<string[]> {
  if (uses.size === 0) return [];
  const free = await tx
    .select({ id: bindings.id })
    .from(bindings)
    .where(inArray(bindings.id, [...uses.keys()]))
    .for("no key update", { skipLocked: true });
  if (free.length === 0) return [];
  const rows = free.map(({ id }) => ({ id, count: uses.get(id)?.count, at: uses.get(id)?.lastUsed }));
  await tx
    .update(bindings)
    .set({
      useCount: sql`${bindings.useCount} + used.count`,
      lastUsed: sql`greatest(${bindings.lastUsed}, used.at)`,
    })
    .from(sql`json_to_recordset(${JSON.stringify(rows)}::json) as used(id uuid, count bigint, at timestamptz)`)
    .where(sql`${bindings.id} = used.id`);
  return free.map(({ id }) => id);
}
