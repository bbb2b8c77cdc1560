import { and, asc, eq, gt, inArray, isNotNull, isNull, ne, or, type SQL, sql } from "drizzle-orm";
import type { Db } from "./db.ts";
import { organizations } from "./schema.ts";

export type Organization = typeof organizations.$inferSelect;
export type OrganizationChange = Partial<
  Pick<Organization, "email" | "audiences" | "clients" | "robotTokens" | "repositoryPrefixes">
>;

export async function insertOrganization(db: Db, organization: typeof organizations.$inferInsert): Promise<void> {
  await db.insert(organizations).values(organization);
}

export async function findOrganization(db: Db, name: string): Promise<Organization | undefined> {
  const rows = await selectByName(db, name);
  return rows[0];
}

/** The same, and whoever else would change it, or keep it as it is, waits until this transaction ends. */
export async function lockOrganization(tx: Db, name: string): Promise<Organization | undefined> {
  const rows = await selectByName(tx, name).for("no key update");
  return rows[0];
}

/** The same, and it stays as it is until this transaction ends. Robots are locked after it, never before. */
export async function keepOrganization(tx: Db, name: string): Promise<Organization | undefined> {
  const rows = await selectByName(tx, name).for("share");
  return rows[0];
}

function selectByName(db: Db, name: string) {
  return db
    .select()
    .from(organizations)
    .where(and(eq(organizations.name, name), isNull(organizations.deletedAt)));
}

/** Those that a repository may belong to: by the first part of its name, or by one of their further prefixes. */
export async function listPossibleOwners(db: Db, repository: string): Promise<Organization[]> {
  const parts = repository.split("/");
  const above = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join("/"));
  const prefixes = [repository, ...above.flatMap((name) => [name, `${name}/`, `${name}/*`])];
  const listed = sql.join(
    prefixes.map((prefix) => sql`${prefix}`),
    sql`, `,
  );
  return db
    .select()
    .from(organizations)
    .where(
      and(
        isNull(organizations.deletedAt),
        or(
          eq(organizations.name, parts[0] ?? ""),
          sql`${organizations.repositoryPrefixes} ?| array[${listed}]::text[]`,
        ),
      ),
    );
}

/** Living ones, other than `id`, of that name or with further prefixes. */
export async function listNamedOrPrefixed(db: Db, names: readonly string[], id: string): Promise<Organization[]> {
  return db
    .select()
    .from(organizations)
    .where(
      and(
        isNull(organizations.deletedAt),
        ne(organizations.id, id),
        or(inArray(organizations.name, [...names]), ne(organizations.repositoryPrefixes, [])),
      ),
    );
}

/** By name, those after `after`; of those `within`, where that is given. */
export async function listOrganizations(
  db: Db,
  { after, within }: { readonly after: string; readonly within: readonly string[] | undefined },
  limit: number,
): Promise<Organization[]> {
  return db
    .select()
    .from(organizations)
    .where(
      and(
        isNull(organizations.deletedAt),
        gt(organizations.name, after),
        within && inArray(organizations.id, [...within]),
      ),
    )
    .orderBy(asc(organizations.name))
    .limit(limit);
}

/** The living ones of those ids, by name. */
export async function listOrganizationNames(db: Db, ids: readonly string[]): Promise<{ id: string; name: string }[]> {
  if (ids.length === 0) return [];
  return db
    .select({ id: organizations.id, name: organizations.name })
    .from(organizations)
    .where(and(inArray(organizations.id, [...ids]), isNull(organizations.deletedAt)))
    .orderBy(asc(organizations.name));
}

export async function updateOrganization(db: Db, id: string, change: OrganizationChange): Promise<void> {
  if (Object.keys(change).length > 0) await db.update(organizations).set(change).where(eq(organizations.id, id));
}

export async function markOrganizationDeleted(db: Db, id: string, deletedAt: Date): Promise<void> {
  await db.update(organizations).set({ deletedAt }).where(eq(organizations.id, id));
}

export interface DeletedOrganization extends Pick<Organization, "id" | "name" | "createdAt"> {
  readonly deletedAt: Date;
}

/** By name, those after `after`. */
export async function listDeletedOrganizations(db: Db, after: string, limit: number): Promise<DeletedOrganization[]> {
  return selectDeleted(db, gt(organizations.name, after)).orderBy(asc(organizations.name)).limit(limit);
}

/** A deleted organization, and whoever else asks so waits until this transaction ends. */
export async function lockDeletedOrganization(tx: Db, name: string): Promise<DeletedOrganization | undefined> {
  const rows = await selectDeleted(tx, eq(organizations.name, name)).for("update");
  return rows[0];
}

function selectDeleted(db: Db, condition: SQL) {
  const { id, name, createdAt, deletedAt } = organizations;
  return db
    .select({ id, name, createdAt, deletedAt: sql<Date>`${deletedAt}`.mapWith(deletedAt) })
    .from(organizations)
    .where(and(isNotNull(deletedAt), condition));
}

/** Deletes an organization's row, and its name with it. */
export async function forgetOrganization(tx: Db, id: string): Promise<void> {
  await tx.delete(organizations).where(eq(organizations.id, id));
}
