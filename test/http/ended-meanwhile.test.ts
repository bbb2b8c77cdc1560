import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillIn, makeWorld, placesFor, type World } from "../support/api-world.ts";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type Dump, openDump } from "../support/dump.ts";
import { hold } from "../support/held-request.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { makePrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";
import { routeNeeds } from "../support/route-needs.ts";

/** A request that is under way while its token is ended changes nothing, whatever it has been waiting for. */

let database: TestPostgres;
let berth: TestBerth;
let issuer: TestIssuer;
let dump: Dump;
let sql: postgres.Sql;
let world: World;
let routes: ReadonlyMap<string, { readonly method: string; readonly path: string }>;
let made = 0;

beforeAll(async () => {
  database = await startPostgres();
  const url = await database.createDatabase("berth");
  const environment = { DATABASE_URL: url, BERTH_SECRET_KEY: randomBytes(32).toString("base64") };
  [berth, issuer] = await Promise.all([startBerth({ environment }), startIssuer()]);
  dump = openDump(url);
  sql = postgres(url, { max: 2, onnotice: () => {} });
  world = await makeWorld(berth, issuer);
  const { paths } = (await call(`${berth.url}/openapi.json`)).body;
  routes = new Map(
    Object.entries<Record<string, { operationId: string }>>(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => [operationId, { method: method.toUpperCase(), path }]),
    ),
  );
});

afterAll(async () => {
  await sql.end();
  await dump.close();
  await berth.remove();
  await issuer.close();
  await database.remove();
});

/** Every operation that changes something. */
const operations = Object.keys(routeNeeds).filter((name) => !/^get|^explain/.test(name));

/** What is known to work, by the token of a superuser made for it. */
async function prepare(operation: string) {
  const route = routes.get(operation);
  if (!route) throw new Error(`there is no operation ${operation}`);
  made += 1;
  const { name, token } = await makePrincipal(berth, `evil-${made}`, { super_user: true });
  return {
    name,
    token,
    method: route.method,
    url: berth.url + fillIn(route.path, placesFor(world, operation, route.path)),
    body: JSON.stringify(world.bodies[operation] ?? {}),
  };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come to that");
}

/** Whether a principal's token has opened a request. */
async function hasOpened(name: string): Promise<boolean> {
  const [row] = await sql`
    select last_used from api_tokens join principals on principals.id = principal_id where principals.name = ${name}`;
  return row?.last_used != null;
}

async function isWaiting(): Promise<boolean> {
  return (await sql`select 1 from pg_locks where not granted`).length > 0;
}

function expectTooLate(answer: ApiAnswer): void {
  expect(expectProblem(answer, 401, "unauthenticated")).toBe(
    "The token was ended, or what it opens was changed, while the request was under way.",
  );
}

describe("a request changes nothing once its token was ended", () => {
  it.each(operations)("while the last byte of its body was awaited: %s", async (operation) => {
    const { name, token, method, url, body } = await prepare(operation);
    const held = await hold(url, method, token, body);
    await until(() => hasOpened(name));
    expect((await berth.api("DELETE", `/principals/${name}`)).status).toBe(204);
    const before = await dump.tables();
    expectTooLate(await held.finish());
    expect(await dump.tables()).toEqual(before);
  });

  it.each(operations)("while it waited for somebody else's change: %s", async (operation) => {
    const { name, token, method, url, body } = await prepare(operation);
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const change = await sql.reserve();
    await change`begin`;
    await change`lock table organizations, robots, issuers, registries, principals in exclusive mode`;
    const answered = call(url, { method, headers, body });
    await until(isWaiting);
    await change`delete from principals where name = ${name}`;
    await change`commit`;
    change.release();
    const before = await dump.tables();
    expectTooLate(await answered);
    expect(await dump.tables()).toEqual(before);
  });
});
