import { asc, count, eq, gt } from "drizzle-orm";
import type { Db } from "./db.ts";
import { anonymousPulls, grants, registries } from "./schema.ts";

export type Registry = typeof registries.$inferSelect;
export type RegistryChange = Partial<Omit<Registry, "id" | "service" | "isDefault" | "createdAt">>;

export async function findRegistry(db: Db, service: string): Promise<Registry | undefined> {
  const rows = await db.select().from(registries).where(eq(registries.service, service));
  return rows[0];
}

/** The same, and whoever else asks so waits until this transaction ends. */
export async function lockRegistry(tx: Db, service: string): Promise<Registry | undefined> {
  const rows = await tx.select().from(registries).where(eq(registries.service, service)).for("update");
  return rows[0];
}

export async function findDefaultRegistry(db: Db): Promise<Registry | undefined> {
  const rows = await db.select().from(registries).where(eq(registries.isDefault, true));
  return rows[0];
}

export async function listRegistries(db: Db): Promise<Registry[]> {
  return db.select().from(registries).orderBy(registries.service);
}

/** By service, those after `after`. */
export async function pageOfRegistries(db: Db, after: string, limit: number): Promise<Registry[]> {
  return db
    .select()
    .from(registries)
    .where(gt(registries.service, after))
    .orderBy(asc(registries.service))
    .limit(limit);
}

export async function insertRegistry(db: Db, registry: typeof registries.$inferInsert): Promise<void> {
  await db.insert(registries).values(registry);
}

export async function updateRegistry(tx: Db, id: string, change: RegistryChange): Promise<void> {
  if (Object.keys(change).length > 0) await tx.update(registries).set(change).where(eq(registries.id, id));
}

/** How many grants and anonymous pulls are on it. */
export async function countGrantsOn(db: Db, id: string): Promise<number> {
  const [[granted], [open]] = await Promise.all([
    db.select({ rows: count() }).from(grants).where(eq(grants.registryId, id)),
    db.select({ rows: count() }).from(anonymousPulls).where(eq(anonymousPulls.registryId, id)),
  ]);
  return (granted?.rows ?? 0) + (open?.rows ?? 0);
}

/** Deletes a registry with its keys, and with the grants on it. */
export async function deleteRegistry(tx: Db, id: string): Promise<void> {
  await tx.delete(registries).where(eq(registries.id, id));
}
