import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Environment } from "../../src/environment.ts";
import { backup } from "../../src/ports/node/backup/backup.ts";
import { restore } from "../../src/ports/node/backup/restore.ts";
import { wholeTables } from "../../src/store/all-rows.ts";
import { makeSecretKey, oddRows, runBerth } from "../support/backup.ts";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { openDump, openEmbeddedDump } from "../support/dump.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { makePrincipal } from "../support/principals.ts";

const BERTH_SECRET_KEY = makeSecretKey();
const adminToken = randomBytes(24).toString("base64url");
let directory: string;
let database: TestPostgres;
let issuer: TestIssuer;
/** Where the first test moves a service to, and the second from. */
let second: { DATABASE_URL: string; BERTH_SECRET_KEY: string };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-backup-"));
  [database, issuer] = await Promise.all([startPostgres(), startIssuer()]);
  second = await onPostgres("second");
});

afterAll(async () => {
  await issuer.close();
  await database.remove();
  await rm(directory, { recursive: true });
});

const file = (name: string) => join(directory, name);
const onPostgres = async (name: string) => ({ DATABASE_URL: await database.createDatabase(name), BERTH_SECRET_KEY });
const embedded = (name: string) => ({ DATA_DIR: file(name), BERTH_SECRET_KEY });

async function move(from: Environment, to: Environment, name: string): Promise<void> {
  const rows = await backup(file(name), from, "0.0.0", () => {});
  expect(await restore(file(name), to, { replaces: false }, () => {})).toBe(rows);
}

async function dumpOf({ DATABASE_URL, DATA_DIR }: { DATABASE_URL?: string; DATA_DIR?: string }) {
  const dump = DATABASE_URL ? openDump(DATABASE_URL) : await openEmbeddedDump(String(DATA_DIR));
  try {
    return await dump.tables();
  } finally {
    await dump.close();
  }
}

/** Something of everything that can be managed. */
async function fill(berth: TestBerth): Promise<string[]> {
  const { url: trusted } = issuer;
  await berth.createRobot("acme+ci", {
    federation: [
      { issuer: trusted, subject, claims: { ref: { in: ["a", "b"] } }, token_ttl: 600, description: "with a claim" },
      { issuer: trusted, subject, audiences: [berth.url] },
    ],
    grants: [{ repository: "acme/app", actions: ["pull", "push"] }],
  });
  const boss = await makePrincipal(berth, "boss", { roles: { acme: "admin" } });
  const made = await berth.api("POST", "/organization/acme/robots/ci/regenerate", {});
  await berth.api("POST", "/registries", { service: "second.example" });
  return [boss.token, made.body.token];
}

it("a service goes on from PostgreSQL where it was on the embedded database", async () => {
  const first = embedded("first");
  const port = await freePort();
  const environment = { BERTH_SECRET_KEY, BERTH_ADMIN_TOKEN: adminToken, PUBLIC_URL: `http://127.0.0.1:${port}` };
  const before = await startBerth({ environment, dataDir: first.DATA_DIR, port });
  const secrets = await fill(before);
  const { token } = (await before.exchange("acme+ci", await issuer.sign(before.url))).body;
  const keys = await call(`${before.url}/.well-known/jwks.json`);
  const authority = await before.api("GET", `/registries/${before.host}/config/distribution`);
  await before.stop();

  const taken = await runBerth(first, "backup", file("to-postgres"));
  expect(taken).toEqual({ code: 0, stderr: expect.stringMatching(/^Backed up \d+ rows\.\n$/) });
  const put = await runBerth(second, "restore", file("to-postgres"));
  expect(put).toEqual({ code: 0, stderr: taken.stderr.replace("Backed up", "Restored") });
  expect(await dumpOf(second)).toEqual(await dumpOf(first));

  expect((await stat(file("to-postgres"))).mode & 0o777).toBe(0o600);
  const written = await readFile(file("to-postgres"), "utf8");
  for (const secret of [...secrets, token, adminToken, BERTH_SECRET_KEY]) expect(written).not.toContain(secret);

  const after = await startBerth({ environment: { ...environment, ...second }, port });
  expect((await call(`${after.url}/.well-known/jwks.json`)).body).toEqual(keys.body);
  expect((await after.api("GET", `/registries/${after.host}/config/distribution`)).body).toEqual(authority.body);
  const login = `${after.url}/v2/auth?service=${after.host}&scope=repository:acme/app:push`;
  for (const password of [token, secrets[1]]) {
    const opened = await call(login, { headers: { authorization: basic("acme+ci", password) } });
    expect(opened.status).toBe(200);
  }
  await after.remove();
});

it("every value of every table is the same in either, however odd", async () => {
  const sql = postgres(second.DATABASE_URL, { max: 1 });
  await sql.unsafe(oddRows);
  await sql.end();
  const kept = await dumpOf(second);
  for (const [name, rows] of Object.entries(kept)) expect(rows.length, name).toBeGreaterThan(0);
  const third = embedded("third");
  await move(second, third, "to-embedded");
  expect(await dumpOf(third)).toEqual(kept);
  const fourth = await onPostgres("fourth");
  await move(third, fourth, "to-postgres-again");
  expect(await dumpOf(fourth)).toEqual(kept);
});

it("a database that was restored tells of its changes as one that was not", async () => {
  const made = await onPostgres("told");
  await move(embedded("third"), made, "told");
  const sql = postgres(made.DATABASE_URL, { max: 1 });
  expect(await sql`select tgname from pg_trigger where tgenabled <> 'O'`).toEqual([]);
  expect((await sql`select 1 from pg_trigger where not tgisinternal`).length).toBeGreaterThan(0);
  await sql.end();
});

it("nothing is in the schema that a backup leaves out", async () => {
  const { DATABASE_URL } = await onPostgres("whole");
  const berth = await startBerth({ environment: { DATABASE_URL, BERTH_SECRET_KEY } });
  const sql = postgres(DATABASE_URL, { max: 1 });
  const columns = await sql<{ table: string; column: string }[]>`
    select c.relname as table, a.attname as column from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped`;
  const ofSchema = columns.map(({ table, column }) => `${table}.${column}`);
  const ofBackup = wholeTables.flatMap((table) => table.columns.map((column) => `${table.name}.${column.name}`));
  expect(ofBackup.toSorted()).toEqual(ofSchema.toSorted());
  expect(
    await sql`select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('S', 'm')`,
  ).toEqual([]);
  expect(await sql`select attname from pg_attribute where attgenerated <> '' or attidentity <> ''`).toEqual([]);
  await sql.end();
  await berth.remove();
});

it("a backup is of one moment, whatever is changed while it is taken", async () => {
  const source = await onPostgres("busy");
  const berth = await startBerth({ environment: source });
  await berth.api("POST", "/organization/", { name: "acme" });
  let isTaken = false;
  const writing = (async () => {
    for (let count = 0; !isTaken; count += 1) await berth.api("PUT", `/organization/acme/robots/r${count}`, {});
  })();
  const target = await onPostgres("moment");
  for (const round of [1, 2, 3]) {
    await backup(file(`moment-${round}`), source, "0.0.0", () => {});
    await restore(file(`moment-${round}`), target, { replaces: true }, () => {});
    const { robots = [], audit_records: records = [] } = await dumpOf(target);
    expect(robots.length).toBeGreaterThan(0);
    expect((records as { kind: string }[]).filter(({ kind }) => kind === "create_robot")).toHaveLength(robots.length);
  }
  isTaken = true;
  await writing;
  await berth.remove();
});

it("many rows go through little memory", async () => {
  const { DATABASE_URL, ...key } = await onPostgres("large");
  await (await startBerth({ environment: { DATABASE_URL, ...key } })).remove();
  const sql = postgres(DATABASE_URL, { max: 1 });
  await sql`
    insert into audit_records (id, at, kind, outcome, request_id, metadata)
    select gen_random_uuid(), now(), 'made', 'success', 'r', jsonb_build_object('text', repeat('x', 8000))
    from generate_series(1, 12000)`;
  await sql.end();
  const environment = { ...key, NODE_OPTIONS: "--max-old-space-size=64" };
  const target = await database.createDatabase("large_too");
  expect(await runBerth({ ...environment, DATABASE_URL }, "backup", file("large"))).toMatchObject({ code: 0 });
  expect((await stat(file("large"))).size).toBeGreaterThan(96_000_000);
  const restored = await runBerth({ ...environment, DATABASE_URL: target }, "restore", file("large"));
  expect(restored).toMatchObject({ code: 0 });
});
