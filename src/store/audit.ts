import { and, desc, eq, gte, lt, type SQL } from "drizzle-orm";
import type { Db } from "./db.ts";
import { auditRecords } from "./schema.ts";

export type AuditRecord = typeof auditRecords.$inferSelect;
export type NewAuditRecord = typeof auditRecords.$inferInsert;

export interface AuditFilter {
  readonly organization?: string;
  readonly kind?: string;
  readonly robot?: string;
  readonly outcome?: "success" | "refused";
  readonly requestId?: string;
  readonly from?: Date;
  readonly to?: Date;
  /** The id of the last record of the page before. */
  readonly before?: string;
}

export async function insertAuditRecord(db: Db, record: NewAuditRecord): Promise<void> {
  await db.insert(auditRecords).values(record);
}

/** Newest first. */
export async function listAuditRecords(db: Db, filter: AuditFilter, limit: number): Promise<AuditRecord[]> {
  const conditions: (SQL | undefined)[] = [
    filter.organization === undefined ? undefined : eq(auditRecords.organization, filter.organization),
    filter.kind === undefined ? undefined : eq(auditRecords.kind, filter.kind),
    filter.robot === undefined ? undefined : eq(auditRecords.robot, filter.robot),
    filter.outcome === undefined ? undefined : eq(auditRecords.outcome, filter.outcome),
    filter.requestId === undefined ? undefined : eq(auditRecords.requestId, filter.requestId),
    filter.from === undefined ? undefined : gte(auditRecords.at, filter.from),
    filter.to === undefined ? undefined : lt(auditRecords.at, filter.to),
    filter.before === undefined ? undefined : lt(auditRecords.id, filter.before),
  ];
  return db
    .select()
    .from(auditRecords)
    .where(and(...conditions))
    .orderBy(desc(auditRecords.id))
    .limit(limit);
}
