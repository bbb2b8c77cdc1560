import { and, desc, eq, lt, sql } from "drizzle-orm";
import type { RepositoryUse } from "../domain/uses.ts";
import type { Db } from "./db.ts";
import { deleteSome } from "./delete-some.ts";
import { repositoryUses } from "./schema.ts";

/** Adds what was counted to what is there. */
export async function addRepositoryUses(tx: Db, uses: readonly RepositoryUse[]): Promise<void> {
  if (uses.length === 0) return;
  // In one order everywhere, so that no two instances wait for each other.
  await tx.execute(sql`
    insert into ${repositoryUses} (robot_id, service, repository, action, day, count, last_used)
    select "robotId", service, repository, action, day, count, "lastUsed"
    from json_to_recordset(${JSON.stringify(uses)}::json) as used(
      "robotId" uuid, service text, repository text, action text, day date, count bigint, "lastUsed" timestamptz
    )
    order by "robotId", day, service, repository, action
    on conflict (robot_id, day, service, repository, action) do update
    set count = ${repositoryUses.count} + excluded.count,
      last_used = greatest(${repositoryUses.lastUsed}, excluded.last_used)`);
}

/** A row's place in the order of the list. */
export type UsePosition = Pick<RepositoryUse, "day" | "service" | "repository" | "action">;

/** What a robot was given registry tokens for, latest day first, those after `after`. */
export async function listRepositoryUses(
  db: Db,
  robotId: string,
  after: UsePosition | undefined,
  limit: number,
): Promise<RepositoryUse[]> {
  const { day, service, repository, action } = repositoryUses;
  const beyond =
    after &&
    sql`(${day}, ${service}, ${repository}, ${action}) < (${after.day}::date, ${after.service}, ${after.repository}, ${after.action})`;
  return db
    .select()
    .from(repositoryUses)
    .where(and(eq(repositoryUses.robotId, robotId), beyond))
    .orderBy(desc(day), desc(service), desc(repository), desc(action))
    .limit(limit);
}

/** @returns how many were forgotten, at most `limit` */
export async function deleteRepositoryUses(tx: Db, before: string, limit: number): Promise<number> {
  return deleteSome(tx, repositoryUses, lt(repositoryUses.day, before), limit);
}
