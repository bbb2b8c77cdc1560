import { eq } from "drizzle-orm";
import type { Db } from "./db.ts";
import { signingKeys } from "./schema.ts";

export type SigningKeyRow = typeof signingKeys.$inferSelect;
export type SigningKeyChange = Partial<
  Pick<SigningKeyRow, "status" | "sealedPrivateKey" | "certificate" | "notAfter" | "activatedAt" | "retiredAt">
>;

/** All of them, those of long ago included: a few for each registry and year. */
export async function listSigningKeys(db: Db): Promise<SigningKeyRow[]> {
  return db.select().from(signingKeys).orderBy(signingKeys.createdAt, signingKeys.id);
}

export async function insertSigningKey(db: Db, row: SigningKeyRow): Promise<void> {
  await db.insert(signingKeys).values(row);
}

export async function updateSigningKey(db: Db, id: string, change: SigningKeyChange): Promise<void> {
  await db.update(signingKeys).set(change).where(eq(signingKeys.id, id));
}
