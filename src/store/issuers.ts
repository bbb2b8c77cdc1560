import { eq } from "drizzle-orm";
import type { Db } from "./db.ts";
import { issuers } from "./schema.ts";

/** The id of the issuer, which is made when nobody was bound to it before. */
export async function ensureIssuer(db: Db, issuer: { id: string; issuer: string; createdAt: Date }): Promise<string> {
  await db.insert(issuers).values(issuer).onConflictDoNothing({ target: issuers.issuer });
  const rows = await db.select({ id: issuers.id }).from(issuers).where(eq(issuers.issuer, issuer.issuer));
  const [row] = rows;
  if (!row) throw new Error("an issuer vanished while it was being bound");
  return row.id;
}
