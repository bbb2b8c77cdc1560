import { PGlite } from "@electric-sql/pglite";
import { serve } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { createLocalJWKSet, generateKeyPair, jwtVerify, SignJWT } from "jose";
import postgres from "postgres";

/**
 * The least work that any server would have to do, in a process of its own: `/signature` makes one ES256
 * signature; `/select` asks for one row by its key besides; `/exchange` verifies one RS256 token, inserts one row and makes one ES256 signature. They look
 * at nothing, refuse nobody and hold to no specification: what they cannot leave out, nobody can.
 */
const { PORT, DATABASE_URL, DATA_DIR, JWKS_URL } = process.env;
const ROW = "00000000-0000-0000-0000-000000000001";
const externalKeys = createLocalJWKSet(await (await fetch(String(JWKS_URL))).json());
const { privateKey } = await generateKeyPair("ES256");
const { insertRow, selectRow } = await openTable();

const app = new Hono();
app.get("/signature", async (c) => c.json({ token: await sign() }));
app.get("/select", async (c) => {
  await selectRow(ROW);
  return c.json({ token: await sign() });
});
app.get("/exchange", async (c) => {
  const { payload } = await jwtVerify(readPassword(c), externalKeys);
  await insertRow(crypto.randomUUID(), JSON.stringify(payload));
  return c.json({ token: await sign() });
});
serve({ fetch: app.fetch, port: Number(PORT), hostname: "127.0.0.1" });

function sign(): Promise<string> {
  return new SignJWT().setProtectedHeader({ alg: "ES256" }).setJti(crypto.randomUUID()).sign(privateKey);
}

function readPassword(c: Context): string {
  const credential = atob(c.req.header("authorization")?.slice("Basic ".length) ?? "");
  return credential.slice(credential.indexOf(":") + 1);
}

interface Table {
  insertRow(id: string, claims: string): Promise<unknown>;
  selectRow(id: string): Promise<unknown>;
}

/** A table on the kind of database that Berth has at the same time. */
async function openTable(): Promise<Table> {
  const createTable = `create table issued (id uuid primary key, claims jsonb not null);
    insert into issued values ('${ROW}', '{"sub": "bench"}')`;
  if (DATABASE_URL) {
    const sql = postgres(DATABASE_URL, { max: 10 });
    await sql.unsafe(createTable);
    return {
      insertRow: (id, claims) => sql`insert into issued (id, claims) values (${id}, ${claims}::jsonb)`,
      selectRow: (id) => sql`select claims from issued where id = ${id}`,
    };
  }
  const pglite = await PGlite.create(String(DATA_DIR));
  await pglite.exec(createTable);
  return {
    insertRow: (id, claims) => pglite.query("insert into issued (id, claims) values ($1, $2)", [id, claims]),
    selectRow: (id) => pglite.query("select claims from issued where id = $1", [id]),
  };
}
