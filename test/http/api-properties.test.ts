import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillIn, makeWorld, placesFor, type World } from "../support/api-world.ts";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { broken, hostile, resolve, type Schema, valid } from "../support/json-schema.ts";

const RUNS = 12;
/** How often what an operation deletes is made anew for it. */
const RENEWALS = 2;

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Answer extends Content {
  readonly $ref?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content & { readonly required?: boolean };
  readonly responses: Readonly<Record<string, Answer>>;
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

interface Sent {
  /** By parameter of the path, where it is not what leads to something. */
  readonly places: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

let berth: TestBerth;
let issuer: TestIssuer;
let description: { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> };
let ajv: Ajv2020;
let world: World;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  description = (await call(`${berth.url}/openapi.json`)).body;
  ajv = new Ajv2020({ strict: false });
  formats.default(ajv);
  ajv.addSchema(description, "api");
  world = await makeWorld(berth, issuer);
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

const routes = (): Route[] =>
  Object.entries(description.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  );

describe("every operation that the API describes", () => {
  it("answers what it says it answers, whatever it is sent", { timeout: 240_000 }, async () => {
    const failures: string[] = [];
    for (const route of routes()) {
      await hold(route).catch(({ message, cause }: Error) => failures.push(`${message}\n${cause ?? ""}`));
    }
    expect(failures).toEqual([]);
    expect(berth.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });

  it("leaves the service as able as it was", async () => {
    for (const path of ["/user", "/organization", "/logs", "/issuers", "/registries", "/principals", "/state"]) {
      expect((await berth.api("GET", path)).status, path).toBe(200);
    }
  });
});

/** Asks an operation for what it does, on a condition that does not hold and then on none, and after that anything. */
async function hold(route: Route): Promise<void> {
  const { operationId, parameters, requestBody, responses } = route.operation;
  let renewals = 0;
  const ask = async (sent: Sent) => {
    const answer = await send(route, sent);
    expectAnswer(route, answer);
    if (answer.status === 204 && renewals < RENEWALS) {
      renewals += 1;
      world = await makeWorld(berth, issuer);
    }
    return answer;
  };
  const expectOf = async (sent: () => Sent, status: RegExp) => {
    const first = await ask(sent());
    if (status.test(String(first.status))) return first;
    // What was asked before may have taken away what it needs.
    world = await makeWorld(berth, issuer);
    const second = await ask(sent());
    expect(String(second.status), `${operationId}: ${JSON.stringify(second.body)}`).toMatch(status);
    return second;
  };
  if (responses[412]) await expectOf(() => ({ ...right(route), headers: { "If-Match": '"none"' } }), /412/);
  const { status, headers } = await expectOf(() => right(route), /2../);
  for (const name of Object.keys(responses[status]?.headers ?? {})) {
    expect(headers.has(name), `${operationId}: ${status} has no ${name}`).toBe(true);
  }
  if (!parameters && !requestBody) return;
  const property = fc.asyncProperty(anything(route), async (sent) => {
    await ask(sent);
  });
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
}

/** What is known to work. */
function right({ operation: { operationId, requestBody } }: Route): Sent {
  const body = world.bodies[operationId];
  if (requestBody?.required && body === undefined) {
    throw new Error(`the test does not know what ${operationId} takes`);
  }
  return { places: {}, query: {}, headers: {}, body: body === undefined ? undefined : JSON.stringify(body) };
}

/** Mostly right but in one respect, so that much of it gets far. */
function anything(route: Route): fc.Arbitrary<Sent> {
  const parameters = (route.operation.parameters ?? []).map((one) =>
    one.$ref ? resolve<Parameter>(description, one.$ref) : one,
  );
  const of = (place: Parameter["in"]) => parameters.filter((one) => one.in === place);
  const query = fc.record(
    Object.fromEntries(of("query").map(({ name, schema }) => [name, fc.oneof(valid(schema, description), hostile)])),
    { requiredKeys: [] },
  );
  const headers = fc.record(
    Object.fromEntries(of("header").map(({ name }) => [name, fc.oneof(fc.constantFrom(...TAGS), headerText)])),
    { requiredKeys: [] },
  );
  const names = Object.keys(placesFor(world, route.operation.operationId, route.path));
  const elsewhere = fc.record(Object.fromEntries(names.map((name) => [name, segment])), { requiredKeys: [] });
  return fc.record({
    places: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: elsewhere }),
    query: fc.oneof(fc.constant({}), query),
    headers: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: headers }),
    body: anyBody(route),
  }) as fc.Arbitrary<Sent>;
}

const TAGS = ["*", '"x"', 'W/"x"', '"a", "b"', "x", ""];
const headerText = fc.string({ maxLength: 300 });
/** No dots alone, which clients resolve before they send a path. */
const segment = fc.oneof(
  fc.constantFrom("none", "other+ci", "%", "a/b", "+", "\u0000", "00000000-0000-0000-0000-000000000000"),
  fc.string({ unit: "binary", minLength: 1 }).filter((text) => !/^\.{1,2}$/.test(text)),
);

function anyBody({ operation }: Route): fc.Arbitrary<string | undefined> {
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  if (!schema) return fc.constant(undefined);
  const good = world.bodies[operation.operationId];
  const known = good === undefined ? valid(schema, description) : fc.constant(good);
  const json = fc.oneof(
    { weight: 4, arbitrary: broken(known) },
    { weight: 4, arbitrary: valid(schema, description) },
    { weight: 3, arbitrary: broken(valid(schema, description)) },
    { weight: 1, arbitrary: known },
    { weight: 1, arbitrary: hostile },
  );
  const text = fc.oneof(
    fc.constantFrom(
      "",
      "{",
      "[1e400]",
      '{"name":"a","name":"b"}',
      '{"__proto__":{}}',
      "\ufeff{}",
      `${"[".repeat(5000)}`,
    ),
    fc.string({ unit: "binary" }),
  );
  return fc.oneof(
    { weight: 12, arbitrary: json.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: text },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
}

function send(route: Route, { query, headers, body, ...sent }: Sent): Promise<ApiAnswer> {
  const places = { ...placesFor(world, route.operation.operationId, route.path), ...sent.places };
  const at = fillIn(route.path, places);
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [
      name,
      (typeof value === "string" ? value : (JSON.stringify(value) ?? "")).toWellFormed(),
    ]),
  );
  return call(`${berth.url}${at}?${search}`, {
    method: route.method.toUpperCase(),
    headers: {
      ...headers,
      authorization: `Bearer ${berth.adminToken}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body }),
  });
}

function expectAnswer({ method, path, operation }: Route, answer: ApiAnswer): void {
  const { status, headers, body } = answer;
  const told = `${operation.operationId}: ${status} ${JSON.stringify(body)}`;
  const declared = operation.responses[status];
  expect(declared, told).toBeDefined();
  const pointer = declared?.$ref ?? `#/paths/${path.replaceAll("/", "~1")}/${method}/responses/${status}`;
  const { content } = resolve<Answer>(description, pointer);
  const type = headers.get("content-type")?.replace(/;.*/, "");
  if (!content) {
    expect(body, told).toBe("");
    return;
  }
  expect(Object.keys(content), told).toContain(type);
  if (type !== "application/json") return;
  const check = ajv.getSchema(`api${pointer}/content/application~1json/schema`);
  expect(check?.(body), `${told} ${ajv.errorsText(check?.errors)}`).toBe(true);
}
