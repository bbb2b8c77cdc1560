import { and, asc, eq } from "drizzle-orm";
import type { Db } from "./db.ts";
import { grants, registries } from "./schema.ts";

export type GrantRow = typeof grants.$inferInsert;

/** What a robot holds on one registry. */
export async function listGrantsOn(db: Db, robotId: string, registryId: string) {
  return db
    .select({ type: grants.type, pattern: grants.pattern, actions: grants.actions })
    .from(grants)
    .where(and(eq(grants.robotId, robotId), eq(grants.registryId, registryId)));
}

/** What a robot holds on every registry, in the order given. */
export async function listGrants(db: Db, robotId: string) {
  return db
    .select({
      registry: registries.service,
      type: grants.type,
      pattern: grants.pattern,
      actions: grants.actions,
    })
    .from(grants)
    .innerJoin(registries, eq(grants.registryId, registries.id))
    .where(eq(grants.robotId, robotId))
    .orderBy(asc(grants.position));
}

export async function replaceGrants(tx: Db, robotId: string, rows: readonly GrantRow[]): Promise<void> {
  await tx.delete(grants).where(eq(grants.robotId, robotId));
  if (rows.length > 0) await tx.insert(grants).values([...rows]);
}
