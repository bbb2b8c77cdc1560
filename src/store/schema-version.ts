import { sql } from "drizzle-orm";
import type { Db } from "./db.ts";

/** `when` of the last migration in `drizzle/meta/_journal.json`. */
export const SCHEMA_VERSION = 1795422951595;

/** That of the last migration that the database has seen; 0: of none. */
export async function findSchemaVersion(db: Db): Promise<number> {
  const [last] = await db.select({ at: sql<string | null>`max(created_at)` }).from(sql`drizzle.__drizzle_migrations`);
  return Number(last?.at ?? 0);
}
