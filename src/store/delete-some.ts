import { type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Db } from "./db.ts";

/** Deletes rows of which a condition holds. @returns how many there were, at most `limit` */
export async function deleteSome(tx: Db, table: PgTable, condition: SQL, limit: number): Promise<number> {
  const gone = tx.$with("gone", { one: sql<number>`one` }).as(sql`
    delete from ${table} where ctid in (select ctid from ${table} where ${condition} limit ${limit}) returning 1 as one`);
  const [row] = await tx
    .with(gone)
    .select({ count: sql<number>`count(*)`.mapWith(Number) })
    .from(gone);
  return row?.count ?? 0;
}
