import { and, asc, eq, inArray, isNull, sql } from "drizzle-orm";
import { type Db, prepareOnce } from "./db.ts";
import { anonymousPulls, organizations, registries } from "./schema.ts";

export type AnonymousPullRow = typeof anonymousPulls.$inferInsert;

/** What anybody may pull from one registry. */
export interface AnonymousPull {
  readonly organizationId: string;
  /** The registry's `service`. */
  readonly registry: string;
  /** A repository's name, or a prefix of some ending in a slash and a star. */
  readonly pattern: string;
}

/** Which of the patterns let anybody pull from a registry. */
export async function listAnonymousPulls(db: Db, registryId: string, patterns: readonly string[]): Promise<string[]> {
  if (patterns.length === 0) return [];
  const rows = await prepared(db).execute({ registryId, patterns: JSON.stringify(patterns) });
  return rows.map(({ pattern }) => pattern);
}

const prepared = prepareOnce((db) =>
  db
    .selectDistinct({ pattern: anonymousPulls.pattern })
    .from(anonymousPulls)
    .innerJoin(organizations, eq(anonymousPulls.organizationId, organizations.id))
    .where(
      and(
        eq(anonymousPulls.registryId, sql.placeholder("registryId")),
        sql`${anonymousPulls.pattern} = any(array(select json_array_elements_text(${sql.placeholder("patterns")}::text::json)))`,
        isNull(organizations.deletedAt),
      ),
    )
    .prepare("anonymous_pulls"),
);

/** What organizations let anybody pull, each one's in the order given. */
export async function listAnonymousPullsOf(db: Db, organizationIds: readonly string[]): Promise<AnonymousPull[]> {
  if (organizationIds.length === 0) return [];
  return db
    .select({
      organizationId: anonymousPulls.organizationId,
      registry: registries.service,
      pattern: anonymousPulls.pattern,
    })
    .from(anonymousPulls)
    .innerJoin(registries, eq(anonymousPulls.registryId, registries.id))
    .where(inArray(anonymousPulls.organizationId, [...organizationIds]))
    .orderBy(asc(anonymousPulls.organizationId), asc(anonymousPulls.position));
}

export async function replaceAnonymousPulls(
  tx: Db,
  organizationId: string,
  rows: readonly AnonymousPullRow[],
): Promise<void> {
  await tx.delete(anonymousPulls).where(eq(anonymousPulls.organizationId, organizationId));
  if (rows.length > 0) await tx.insert(anonymousPulls).values([...rows]);
}
