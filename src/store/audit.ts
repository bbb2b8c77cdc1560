import { and, asc, desc, eq, gte, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { Db } from "./db.ts";
import { auditRecords } from "./schema.ts";

export type AuditRecord = typeof auditRecords.$inferSelect;
export type NewAuditRecord = typeof auditRecords.$inferInsert;

/** A record's place in the order of the log: instances' clocks differ, so that ids alone are not in the order of time. */
export type AuditPosition = Pick<AuditRecord, "at" | "id">;

export interface AuditFilter {
  readonly organization?: string;
  readonly kind?: string;
  readonly robot?: string;
  readonly actor?: string;
  readonly outcome?: AuditRecord["outcome"];
  readonly requestId?: string;
  readonly from?: Date;
  readonly to?: Date;
  /** The last record of the page before. */
  readonly after?: AuditPosition;
}

export async function insertAuditRecord(db: Db, record: NewAuditRecord): Promise<void> {
  await db.insert(auditRecords).values(record);
}

/** Newest first. */
export async function listAuditRecords(db: Db, filter: AuditFilter, limit: number): Promise<AuditRecord[]> {
  const { at, id, organization, kind, robot, actor, outcome, requestId } = auditRecords;
  const conditions: (SQL | undefined)[] = [
    filter.organization === undefined ? undefined : eq(organization, filter.organization),
    filter.kind === undefined ? undefined : eq(kind, filter.kind),
    filter.robot === undefined ? undefined : eq(robot, filter.robot),
    filter.actor === undefined ? undefined : eq(actor, filter.actor),
    filter.outcome === undefined ? undefined : eq(outcome, filter.outcome),
    filter.requestId === undefined ? undefined : eq(requestId, filter.requestId),
    filter.from === undefined ? undefined : gte(at, filter.from),
    filter.to === undefined ? undefined : lt(at, filter.to),
    filter.after && sql`(${at}, ${id}) < (${sql.param(filter.after.at, at)}, ${filter.after.id})`,
  ];
  return db
    .select()
    .from(auditRecords)
    .where(and(...conditions))
    .orderBy(desc(at), desc(id))
    .limit(limit);
}

/** Deletes the oldest of those before `before`. @returns how many there were, at most `limit` */
export async function deleteAuditRecords(db: Db, before: Date, limit: number): Promise<number> {
  const { at, id } = auditRecords;
  const oldest = db.select({ id }).from(auditRecords).where(lt(at, before)).orderBy(asc(at), asc(id)).limit(limit);
  const deleted = await db.delete(auditRecords).where(inArray(id, oldest)).returning({ id });
  return deleted.length;
}
