import { eq } from "drizzle-orm";
import type { Db } from "./db.ts";
import { registries } from "./schema.ts";

export type Registry = typeof registries.$inferSelect;

export async function findRegistry(db: Db, service: string): Promise<Registry | undefined> {
  const rows = await db.select().from(registries).where(eq(registries.service, service));
  return rows[0];
}

export async function findDefaultRegistry(db: Db): Promise<Registry | undefined> {
  const rows = await db.select().from(registries).where(eq(registries.isDefault, true));
  return rows[0];
}

export async function listRegistries(db: Db): Promise<Registry[]> {
  return db.select().from(registries).orderBy(registries.service);
}

export async function insertRegistry(db: Db, registry: typeof registries.$inferInsert): Promise<void> {
  await db.insert(registries).values(registry);
}
