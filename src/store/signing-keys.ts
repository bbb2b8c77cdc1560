import { eq } from "drizzle-orm";
import type { Db } from "./db.ts";
import { signingKeys } from "./schema.ts";

export type SigningKeyRow = typeof signingKeys.$inferSelect;

/** All of them: a few for each registry. */
export async function listSigningKeys(db: Db): Promise<SigningKeyRow[]> {
  return db.select().from(signingKeys).orderBy(signingKeys.createdAt);
}

export async function insertSigningKey(db: Db, row: typeof signingKeys.$inferInsert): Promise<void> {
  await db.insert(signingKeys).values(row);
}

export async function retireSigningKey(db: Db, id: string): Promise<void> {
  await db.update(signingKeys).set({ status: "retired" }).where(eq(signingKeys.id, id));
}
