import { and, asc, eq, gt, inArray, isNull, lte, or } from "drizzle-orm";
import type { RobotName } from "../domain/names.ts";
import type { Db } from "./db.ts";
import type { RobotOfOrganization } from "./robots.ts";
import { organizations, robots, staticTokens } from "./schema.ts";

export type StaticToken = typeof staticTokens.$inferSelect;

export async function insertStaticToken(tx: Db, token: StaticToken): Promise<void> {
  await tx.insert(staticTokens).values(token);
}

/** A static token by its hash, expired or not, with whom it is of; of deleted organizations there are none. */
export async function findStaticToken(
  db: Db,
  tokenHash: string,
): Promise<({ readonly token: StaticToken } & RobotOfOrganization) | undefined> {
  const rows = await db
    .select({ token: staticTokens, robot: robots, organization: organizations })
    .from(staticTokens)
    .innerJoin(robots, eq(staticTokens.robotId, robots.id))
    .innerJoin(organizations, eq(robots.organizationId, organizations.id))
    .where(and(eq(staticTokens.tokenHash, tokenHash), isNull(organizations.deletedAt)));
  return rows[0];
}

/** Those of a robot, oldest first. */
export async function listStaticTokens(db: Db, robotId: string): Promise<StaticToken[]> {
  return db.select().from(staticTokens).where(eq(staticTokens.robotId, robotId)).orderBy(asc(staticTokens.id));
}

/** Ends those of a robot now. @returns how many there were */
export async function deleteStaticTokens(tx: Db, robotId: string): Promise<number> {
  const deleted = await tx
    .delete(staticTokens)
    .where(eq(staticTokens.robotId, robotId))
    .returning({ id: staticTokens.id });
  return deleted.length;
}

/** Ends the one of that hash now. @returns it, with whose it was */
export async function deleteStaticToken(
  tx: Db,
  tokenHash: string,
): Promise<{ readonly id: string; readonly robot: RobotName } | undefined> {
  const found = await findStaticToken(tx, tokenHash);
  if (!found) return undefined;
  const { token, robot, organization } = found;
  const deleted = await tx.delete(staticTokens).where(eq(staticTokens.id, token.id)).returning({ id: staticTokens.id });
  if (deleted.length === 0) return undefined;
  return { id: token.id, robot: { organization: organization.name, robot: robot.name } };
}

/** Lets those of a robot stand until then, and none longer than it would. */
export async function expireStaticTokens(tx: Db, robotId: string, expiresAt: Date): Promise<void> {
  await tx
    .update(staticTokens)
    .set({ expiresAt })
    .where(
      and(eq(staticTokens.robotId, robotId), or(isNull(staticTokens.expiresAt), gt(staticTokens.expiresAt, expiresAt))),
    );
}

/** Ends those of all robots of an organization now. */
export async function deleteStaticTokensOf(tx: Db, organizationId: string): Promise<void> {
  const ofOrganization = tx.select({ id: robots.id }).from(robots).where(eq(robots.organizationId, organizationId));
  await tx.delete(staticTokens).where(inArray(staticTokens.robotId, ofOrganization));
}

/** Forgets those that ended by then. */
export async function deleteExpiredStaticTokens(db: Db, expiredBy: Date): Promise<void> {
  await db.delete(staticTokens).where(lte(staticTokens.expiresAt, expiredBy));
}
