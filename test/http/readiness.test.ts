import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import journal from "../../drizzle/meta/_journal.json" with { type: "json" };
import { SCHEMA_VERSION } from "../../src/store/schema-version.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let database: TestPostgres;
let berth: TestBerth;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await startPostgres();
  const DATABASE_URL = await database.createDatabase("berth");
  sql = postgres(DATABASE_URL, { max: 1, onnotice: () => {} });
  berth = await startBerth({ environment: { DATABASE_URL, BERTH_SECRET_KEY: randomBytes(32).toString("base64") } });
});

afterAll(async () => {
  await Promise.all([sql.end(), berth.remove()]);
  await database.remove();
});

const ready = () => call(`${berth.url}/readyz`);
/** What was found a moment ago is forgotten. */
const later = () => berth.clock.advance(1);

describe("/readyz", () => {
  it("knows the schema that this version was made for", () => {
    expect(SCHEMA_VERSION, "set it to `when` of the last migration in drizzle/meta/_journal.json").toBe(
      journal.entries.at(-1)?.when,
    );
  });

  it("says that the schema is of an earlier version, and takes that of a later one", async () => {
    later();
    expect((await ready()).status).toBe(200);
    const migrations = sql`drizzle.__drizzle_migrations`;
    await sql`update ${migrations} set created_at = created_at - 1 where created_at = ${SCHEMA_VERSION}`;
    later();
    const { status, headers, body } = await ready();
    expect([status, headers.get("retry-after"), body]).toEqual([503, "1", { status: "not_ready", lacking: "schema" }]);
    await sql`update ${migrations} set created_at = ${SCHEMA_VERSION + 1} where created_at = ${SCHEMA_VERSION - 1}`;
    later();
    expect((await ready()).body).toEqual({ status: "ready" });
  });

  it("waits no longer than a balancer for a database that is busy, and asks it once for a crowd", async () => {
    await sql.begin(async (tx) => {
      await tx`lock table drizzle.__drizzle_migrations in access exclusive mode`;
      later();
      const crowd = await Promise.all(Array.from({ length: 50 }, ready));
      for (const { status, body } of crowd) {
        expect([status, body]).toEqual([503, { status: "not_ready", lacking: "database" }]);
      }
      const [waiting] = await tx`select count(*)::int as count from pg_locks where not granted`;
      expect(waiting?.count).toBe(1);
      expect((await call(`${berth.url}/healthz`)).status).toBe(200);
    });
    later();
    await expect.poll(async () => (await ready()).status).toBe(200);
  });
});
