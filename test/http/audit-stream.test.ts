import { randomBytes } from "node:crypto";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { makePrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";
import { type WatchedService, watchService } from "../support/watched-service.ts";

const ndjson = "application/x-ndjson";
/** Far more than sockets hold between them. */
const RECORDS = 12_000;
const RECORD_BYTES = 8000;
const MUCH = (RECORDS * RECORD_BYTES) / 2;

let database: TestPostgres;
let databaseUrl: string;
let berth: TestBerth;
let watched: WatchedService;

beforeAll(async () => {
  database = await startPostgres();
  databaseUrl = await database.createDatabase("berth");
  watched = await watchService(await database.createDatabase("watched"));
  berth = await startBerth({
    environment: { DATABASE_URL: databaseUrl, BERTH_SECRET_KEY: randomBytes(32).toString("base64") },
  });
  const sql = postgres(databaseUrl, { max: 1 });
  await fill(sql, RECORDS, RECORD_BYTES);
  await sql.end();
  await fill(watched.sql, 5 * limits.audit.streamedAtOnce, 10);
});

afterAll(async () => {
  await berth.remove();
  await watched.close();
  await database.remove();
});

async function fill(sql: postgres.Sql, many: number, bytes: number): Promise<void> {
  await sql`
    insert into audit_records (id, at, kind, outcome, request_id, metadata)
    select gen_random_uuid(), now() - n * interval '1 ms', 'filled', 'success', n::text,
      jsonb_build_object('text', repeat('x', ${bytes}::int))
    from generate_series(1, ${many}::int) as n`;
}

function read(path: string, accept: string, token = berth.adminToken): Promise<ApiAnswer & { body: string }> {
  const headers = { authorization: `Bearer ${token}`, ...(accept && { accept }) };
  return fetch(`${berth.url}/api/v1${path}`, { headers }).then(async (response) => ({
    status: response.status,
    headers: response.headers,
    body: await response.text(),
  }));
}

// biome-ignore lint/suspicious/noExplicitAny: records of every shape
const parse = (body: string): any[] => body.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));

/** An answer that nobody reads yet. */
function open(path: string, token = berth.adminToken): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, accept: ndjson };
    request(`${berth.url}/api/v1${path}`, { headers }, resolve).on("error", reject).end();
  });
}

describe("the audit log by the line", () => {
  it("is all that a search finds, newest first, as the pages have it", async () => {
    const { status, headers, body } = await read("/logs", ndjson);
    expect([status, headers.get("content-type"), headers.get("vary")]).toEqual([200, ndjson, "Accept"]);
    expect(body.endsWith("}\n")).toBe(true);
    const records = parse(body);
    expect(records.length).toBeGreaterThanOrEqual(RECORDS);
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    const { logs } = (await berth.api("GET", "/logs?limit=500")).body;
    expect(records.slice(0, 500)).toEqual(logs);
    expect(parse((await read("/logs?request_id=7", ndjson)).body)).toMatchObject([{ request_id: "7" }]);
    expect((await read("/logs?kind=none", ndjson)).body).toBe("");
  });

  it("goes on where a page ended, and ends after so many if that is asked", async () => {
    const { body } = await berth.api("GET", "/logs?kind=filled&limit=10");
    const rest = parse((await read(`/logs?kind=filled&next_page=${body.next_page}`, ndjson)).body);
    expect(rest.map(({ request_id }) => request_id).slice(0, 3)).toEqual(["11", "12", "13"]);
    expect(rest).toHaveLength(RECORDS - 10);
    expect(parse((await read("/logs?kind=filled&limit=500", ndjson)).body)).toHaveLength(500);
    const some = parse((await read(`/logs?kind=filled&limit=3&next_page=${body.next_page}`, ndjson)).body);
    expect(some).toEqual(rest.slice(0, 3));
  });

  it("is an organization's own for whoever holds a role in it", async () => {
    await berth.createRobot("acme+ci");
    const { token } = await makePrincipal(berth, "acme-reader", { roles: { acme: "reader" } });
    const records = parse((await read("/organization/acme/logs", ndjson, token)).body);
    expect(records.map(({ kind }) => kind)).toEqual(["put_member", "create_robot", "org_create"]);
  });

  it("is refused as everything else is, before anything of it is sent", async () => {
    const { token } = await makePrincipal(berth, "nobody");
    const ask = (path: string) =>
      call(`${berth.url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}`, accept: ndjson } });
    expectProblem(await ask("/logs"), 403, "forbidden");
    expectProblem(await ask("/organization/acme/logs"), 404, "not_found");
    expectProblem(await ask("/logs?next_page=!"), 400, "invalid");
  });

  it.each([
    ["", "json"],
    ["*/*", "json"],
    ["application/*", "json"],
    ["application/json", "json"],
    ["application/json, application/x-ndjson", "json"],
    ["application/x-ndjson;q=0.5, application/json", "json"],
    ["application/x-ndjson;q=0.5, */*", "json"],
    ["application/x-ndjson;q=0, */*;q=0.1", "json"],
    ["application/x-ndjson;q=0", "json"],
    ["text/html", "json"],
    ["nonsense;;;", "json"],
    ["application/x-ndjson", "lines"],
    ["Application/X-NDJSON; charset=utf-8", "lines"],
    ["application/x-ndjson, */*", "lines"],
    ["application/x-ndjson, */*;q=0.8", "lines"],
    ["application/json;q=0.5, application/x-ndjson;q=0.6", "lines"],
    ["application/json;q=0, */*", "lines"],
  ])("is what Accept: %s asks for, or a page: %s", async (accept, expected) => {
    const { headers } = await read("/logs?limit=1", accept);
    expect(headers.get("content-type")).toBe(expected === "lines" ? ndjson : "application/json");
  });

  it("is read a piece at a time, as it is taken, and no more once nobody takes it", async () => {
    const response = await watched.get("/logs", { accept: ndjson });
    const reader = response.body?.getReader();
    const pieces = () => watched.statements.filter(({ query }) => query.includes('from "audit_records"')).length;
    expect(pieces()).toBe(1);
    await reader?.read();
    expect(pieces()).toBe(1);
    await reader?.read();
    expect(pieces()).toBe(2);
    await reader?.cancel();
    await watched.get("/user");
    expect(pieces()).toBe(2);
    expect(await watched.sql`select state from pg_stat_activity where state like 'idle in transaction%'`).toEqual([]);
  });

  it("keeps nobody else from the database while its readers dawdle", async () => {
    const dawdling = await Promise.all(Array.from({ length: 20 }, () => open("/logs?kind=filled")));
    for (const answer of dawdling) expect(answer.statusCode).toBe(200);
    expect((await berth.api("POST", "/organization/", { name: "meanwhile" })).status).toBe(201);
    for (const answer of dawdling) answer.destroy();
    expect((await berth.api("GET", "/organization/meanwhile")).status).toBe(200);
  });

  it.each<[string, (name: string) => Promise<ApiAnswer>]>([
    ["its principal is deleted", (name) => berth.api("DELETE", `/principals/${name}`)],
    ["its principal may see no more", (name) => berth.api("PATCH", `/principals/${name}`, { super_user: false })],
    [
      "its token is ended",
      async (name) => {
        const [token] = (await berth.api("GET", `/principals/${name}/tokens`)).body.tokens;
        return berth.api("DELETE", `/principals/${name}/tokens/${token.id}`);
      },
    ],
  ])("breaks off once %s", async (_, end) => {
    const name = `reads-${randomBytes(4).toString("hex")}`;
    const { token } = await makePrincipal(berth, name, { super_user: "read_only" });
    const answer = await open("/logs?kind=filled", token);
    expect(answer.statusCode).toBe(200);
    expect((await end(name)).status).toBeLessThan(300);
    let bytes = 0;
    const rest = (async () => {
      for await (const piece of answer) bytes += piece.length;
    })();
    await expect(rest).rejects.toThrow(/aborted/);
    expect(answer.complete).toBe(false);
    expect(bytes).toBeLessThan(MUCH);
  });

  it("goes on for a principal that was changed in what takes nothing from it", async () => {
    const { token } = await makePrincipal(berth, "renamed", { super_user: "read_only" });
    const answer = await open("/logs?kind=filled", token);
    await berth.api("PATCH", "/principals/renamed", { description: "audits" });
    let bytes = 0;
    for await (const piece of answer) {
      bytes += piece.length;
      if (bytes > MUCH) break;
    }
    expect(bytes).toBeGreaterThan(MUCH);
  });

  it("breaks off when the database goes away, so that nobody takes it for the whole, and says so in the log", async () => {
    const answer = await open("/logs?kind=filled");
    await database.stop();
    await expect(text(answer)).rejects.toThrow(/aborted/);
    expect(answer.complete).toBe(false);
    await database.start();
    const requestId = answer.headers["x-request-id"];
    const told = berth.log.map((line) => JSON.parse(line)).filter(({ request_id }) => request_id === requestId);
    expect(told.map(({ level }) => level)).toEqual(["info", "error"]);
    await expect.poll(async () => (await berth.api("GET", "/user")).status).toBe(200);
  });
});
