import { and, desc, eq, lt, sql } from "drizzle-orm";
import type { RepositoryUse } from "../domain/uses.ts";
import type { Db } from "./db.ts";
import { repositoryUses } from "./schema.ts";

/** Adds what was counted to what is there. */
export async function addRepositoryUses(tx: Db, uses: readonly RepositoryUse[]): Promise<void> {
  if (uses.length === 0) return;
  // In one order everywhere, so that no two instances wait for each other.
  const ordered = uses.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  for (let at = 0; at < ordered.length; at += ROWS_AT_ONCE) {
    await tx
      .insert(repositoryUses)
      .values(ordered.slice(at, at + ROWS_AT_ONCE))
      .onConflictDoUpdate({
        target: [
          repositoryUses.robotId,
          repositoryUses.day,
          repositoryUses.service,
          repositoryUses.repository,
          repositoryUses.action,
        ],
        set: {
          count: sql`${repositoryUses.count} + excluded.count`,
          lastUsed: sql`greatest(${repositoryUses.lastUsed}, excluded.last_used)`,
        },
      });
  }
}

/** One statement takes 65,535 parameters. */
const ROWS_AT_ONCE = 5000;

function keyOf({ robotId, day, service, repository, action }: RepositoryUse): string {
  return JSON.stringify([robotId, day, service, repository, action]);
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

export async function deleteRepositoryUses(db: Db, before: string): Promise<void> {
  await db.delete(repositoryUses).where(lt(repositoryUses.day, before));
}
