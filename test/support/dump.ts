import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import postgres from "postgres";

/** Looks into a database from outside the service. */
export interface Dump {
  /** Every row of every table but those left out, as JSON, by table. */
  tables(leftOut?: readonly string[]): Promise<Record<string, unknown[]>>;
  close(): Promise<void>;
}

export function openDump(url: string): Dump {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  return createDump(
    (query) => sql.unsafe(query),
    () => sql.end(),
  );
}

/** Of a data directory that no service has open. */
export async function openEmbeddedDump(dataDir: string): Promise<Dump> {
  const client = await PGlite.create(join(dataDir, "pglite"));
  return createDump(
    async (query) => (await client.query<Record<string, unknown>>(query)).rows,
    () => client.close(),
  );
}

function createDump(run: (query: string) => Promise<Record<string, unknown>[]>, close: () => Promise<void>): Dump {
  return {
    async tables(leftOut = []) {
      const tables = await run("select tablename from pg_tables where schemaname = 'public' order by tablename");
      const dumped: Record<string, unknown[]> = {};
      for (const { tablename } of tables) {
        const name = String(tablename);
        if (leftOut.includes(name)) continue;
        const rows = await run(`select to_jsonb(t) as row from "${name}" t order by to_jsonb(t)::text collate "C"`);
        dumped[name] = rows.map(({ row }) => row);
      }
      return dumped;
    },
    close,
  };
}
