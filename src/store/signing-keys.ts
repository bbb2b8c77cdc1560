import { and, eq, inArray, lt } from "drizzle-orm";
import type { Db } from "./db.ts";
import { signingKeys } from "./schema.ts";

export type SigningKeyRow = typeof signingKeys.$inferSelect;
export type SigningKeyChange = Partial<
  Pick<SigningKeyRow, "status" | "sealedPrivateKey" | "certificate" | "notAfter" | "activatedAt" | "retiredAt">
>;

/** All of them, ended ones included: a few for each registry. */
export async function listSigningKeys(db: Db): Promise<SigningKeyRow[]> {
  return db.select().from(signingKeys).orderBy(signingKeys.createdAt, signingKeys.id);
}

/** Forgets those that ended before. */
export async function deleteSigningKeys(tx: Db, before: Date): Promise<void> {
  await tx
    .delete(signingKeys)
    .where(and(inArray(signingKeys.status, ["retired", "revoked"]), lt(signingKeys.retiredAt, before)));
}

export async function insertSigningKey(db: Db, row: SigningKeyRow): Promise<void> {
  await db.insert(signingKeys).values(row);
}

export async function updateSigningKey(db: Db, id: string, change: SigningKeyChange): Promise<void> {
  await db.update(signingKeys).set(change).where(eq(signingKeys.id, id));
}
