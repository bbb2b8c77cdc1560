import { is, type SQL, sql } from "drizzle-orm";
import { toSnakeCase } from "drizzle-orm/casing";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import type { Db } from "./db.ts";
import * as schema from "./schema.ts";

/** A table as a whole: what is copied, whatever it means. */
export interface WholeTable {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** Every table, behind those that it refers to. */
export const wholeTables: readonly WholeTable[] = [...inOrder()].map((table) => {
  const { name, columns } = getTableConfig(table);
  return { name, columns: columns.map((column) => ({ name: toSnakeCase(column.name), type: column.getSQLType() })) };
});

function inOrder(): Set<PgTable> {
  const ordered = new Set<PgTable>();
  const add = (table: PgTable) => {
    if (ordered.has(table)) return;
    for (const { reference } of getTableConfig(table).foreignKeys) add(reference().foreignTable);
    ordered.add(table);
  };
  for (const table of Object.values(schema)) if (is(table, PgTable)) add(table);
  return ordered;
}

const BATCH_ROWS = 1000;

/**
 * Reads a table, some rows at a time, and none of them is another thing elsewhere: each is a JSON array of its
 * columns as texts, which mean the same in every database.
 *
 * @param tx a transaction with one snapshot
 */
export async function* readRows(tx: Db, { name, columns }: WholeTable): AsyncGenerator<readonly string[]> {
  await writeTextsAlike(tx);
  const texts = columns.map((column) => sql`${sql.identifier(column.name)}::text`);
  await tx.execute(
    sql`declare berth_rows no scroll cursor for select to_json(array[${join(texts)}])::text as row from ${sql.identifier(name)}`,
  );
  for (;;) {
    const rows = rowsOf(await tx.execute(sql`fetch forward ${sql.raw(String(BATCH_ROWS))} from berth_rows`));
    if (rows.length === 0) break;
    yield rows.map(({ row }) => String(row));
  }
  await tx.execute(sql`close berth_rows`);
}

/** @param rows as they were read */
export async function insertRows(tx: Db, { name, columns }: WholeTable, rows: readonly string[]): Promise<void> {
  const names = columns.map((column) => sql.identifier(column.name));
  const values = columns.map(({ type }, index) => sql.raw(`(line ->> ${index})::${type}`));
  await tx.execute(
    sql`insert into ${sql.identifier(name)} (${join(names)}) select ${join(values)} from jsonb_array_elements(${`[${rows.join()}]`}::text::jsonb) as line`,
  );
}

/**
 * Has nothing done at each row that comes now, since what is watched or worked out by row is in the rows already.
 * For as long as the transaction goes, nobody else writes.
 */
export async function withoutTriggers(tx: Db, work: () => Promise<void>): Promise<void> {
  const turn = async (state: "disable" | "enable") => {
    for (const { name } of wholeTables) {
      await tx.execute(sql`alter table ${sql.identifier(name)} ${sql.raw(state)} trigger user`);
    }
  };
  await writeTextsAlike(tx);
  await turn("disable");
  await work();
  await turn("enable");
}

/** Whether there is a row in any of the tables, as far as they are there. */
export async function holdsRows(tx: Db): Promise<boolean> {
  for (const { name } of wholeTables) {
    const [table] = rowsOf(await tx.execute(sql`select to_regclass(${name})::text as name`));
    if (!table?.name) continue;
    if (rowsOf(await tx.execute(sql`select 1 from ${sql.identifier(name)} limit 1`)).length > 0) return true;
  }
  return false;
}

export async function deleteAllRows(tx: Db): Promise<void> {
  await tx.execute(sql`truncate ${join(wholeTables.map(({ name }) => sql.identifier(name)))}`);
}

/** So that queries are planned by what is there now; on the embedded database, nobody else would see to it. */
export async function analyze(tx: Db): Promise<void> {
  await tx.execute(sql`analyze ${join(wholeTables.map(({ name }) => sql.identifier(name)))}`);
}

/** Whether an instance listens for changes of this database. */
export async function isListenedTo(tx: Db): Promise<boolean> {
  const listeners = await tx.execute(
    sql`select 1 from pg_stat_activity where datname = current_database() and application_name = 'berth changes'`,
  );
  return rowsOf(listeners).length > 0;
}

/** The time of the last migration, by which drizzle knows it; `undefined`: there was none. */
export async function lastMigration(db: Db): Promise<number | undefined> {
  const [table] = rowsOf(await db.execute(sql`select to_regclass('drizzle.__drizzle_migrations')::text as name`));
  if (!table?.name) return undefined;
  const [last] = rowsOf(await db.execute(sql`select max(created_at)::text as at from drizzle.__drizzle_migrations`));
  return last?.at ? Number(last.at) : undefined;
}

async function writeTextsAlike(tx: Db): Promise<void> {
  await tx.execute(sql`select set_config('datestyle', 'ISO', true), set_config('timezone', 'UTC', true)`);
}

function join(parts: readonly SQL[] | readonly ReturnType<typeof sql.identifier>[]): SQL {
  return sql.join([...parts], sql`, `);
}

/** What either driver gives. */
function rowsOf(result: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(result) ? result : (result as { rows: Record<string, unknown>[] }).rows;
}
