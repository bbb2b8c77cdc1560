import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { organizationStates, statePrincipals, stateRegistry } from "../support/organization-states.ts";
import { type ManagementCall, managementBy } from "../support/principals.ts";
import { makeKeySets, wholeService } from "../support/service-states.ts";

/** The JSON Schemas of the documents say what the service takes: an editor warns of no good one, and of most bad ones. */

let berth: TestBerth;
let ask: ManagementCall;
let jwks: object[];
const validate: Record<string, ValidateFunction> = {};

beforeAll(async () => {
  berth = await startBerth();
  ask = managementBy(berth, berth.adminToken);
  jwks = await makeKeySets();
  const ajv = new Ajv2020({ allErrors: true });
  (formats as unknown as typeof formats.default)(ajv);
  for (const name of ["organization-state", "state"]) {
    const { body } = await call(`${berth.url}/schemas/${name}.json`);
    validate[name] = ajv.compile(body);
  }
  for (const name of statePrincipals) await ask("POST", "/principals", { name });
  for (const name of ["acme", "beta"]) await ask("POST", "/organization/", { name });
  await ask("POST", "/registries", { service: stateRegistry });
});

afterAll(() => berth.remove());

const paths = { "organization-state": "/organization/acme/state", state: "/state" };
type Kind = keyof typeof paths;

function isValid(kind: Kind, document: unknown): boolean {
  return validate[kind]?.(document) as boolean;
}
const problems = (kind: Kind) => JSON.stringify(validate[kind]?.errors);
const tried = (kind: Kind, document: unknown) => ask("PUT", `${paths[kind]}?dry_run=true`, document);

it.each(["organization-state", "state"])("the schema %s is public, and names itself", async (name) => {
  const { status, headers, body } = await call(`${berth.url}/schemas/${name}.json`);
  expect(status).toBe(200);
  expect(headers.get("content-type")).toMatch(/^application\/schema\+json\b/);
  expect(body).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `${berth.url}/schemas/${name}.json`,
    additionalProperties: false,
  });
  expect((await call(`${berth.url}/schemas/other.json`)).status).toBe(404);
});

describe("a document that the service takes", () => {
  it("is valid as it is written, and as it is shown", async () => {
    for (const document of fc.sample(organizationStates, { numRuns: 10, seed: 3 })) {
      expect(isValid("organization-state", document), problems("organization-state")).toBe(true);
      expect((await ask("PUT", paths["organization-state"], document)).status).toBe(200);
      const shown = (await ask("GET", paths["organization-state"])).body;
      expect(isValid("organization-state", shown), problems("organization-state")).toBe(true);
    }
    const whole = { $schema: `${berth.url}/schemas/state.json`, ...wholeService(berth.host, jwks) };
    expect(isValid("state", whole), problems("state")).toBe(true);
    const put = await ask("PUT", paths.state, { ...whole, unlisted: "delete" });
    expect(put.status, JSON.stringify(put.body)).toBe(200);
    const shown = (await ask("GET", paths.state)).body;
    expect(isValid("state", shown), problems("state")).toBe(true);
  });

  it("is valid in parts", async () => {
    for (const part of [
      {},
      { unlisted: "keep" },
      { settings: {} },
      { robots: { ci: {} } },
      { members: {}, prototypes: {} },
    ]) {
      expect(isValid("organization-state", part), problems("organization-state")).toBe(true);
      expect((await tried("organization-state", part)).status).toBe(200);
      const within = { organizations: { acme: part }, issuers: [], registries: {}, principals: { fresh: {} } };
      expect(isValid("state", within), problems("state")).toBe(true);
      expect((await tried("state", within)).status).toBe(200);
    }
  });
});

const entry = { issuer: "http://127.0.0.1:9/ci", subject: "job" };
const ofRobot = (robot: unknown) => ({ robots: { ci: robot } });
const bound = (more: object) => ofRobot({ federation: [{ ...entry, ...more }] });
const granted = (...grants: unknown[]) => ofRobot({ grants });

describe("a document of another shape", () => {
  it.each<[string, unknown]>([
    ["a list", []],
    ["a section that nobody knows", { robot: {} }],
    ["a setting that nobody knows", { settings: { e_mail: "x" } }],
    ["a setting of another type", { settings: { audiences: "x" } }],
    ["when robots have tokens", { settings: { robot_tokens: "sometimes" } }],
    ["an anonymous pull with a typo", { settings: { anonymous_pull: [{ repository: "acme/x", registery: "x" }] } }],
    ["a role", { members: { anna: "owner" } }],
    ["a list of members", { members: ["anna"] }],
    ["a prototype's role", { prototypes: { ci: "pull" } }],
    ["what becomes of the unlisted", { unlisted: "purge" }],
    ["a robot that is none", ofRobot(null)],
    ["a robot with a typo", ofRobot({ descripton: "x" })],
    ["a flag in words", ofRobot({ disabled: "true" })],
    ["metadata that is a list", ofRobot({ unstructured_metadata: [] })],
    ["a binding without a subject", ofRobot({ federation: [{ issuer: entry.issuer }] })],
    ["a binding with a typo", bound({ claim: { ref: { equals: "main" } } })],
    ["a condition of two kinds", bound({ claims: { ref: { equals: "main", prefix: "x/" } } })],
    ["a condition of no kind", bound({ claims: { ref: "main" } })],
    ["a lifetime that is too short", bound({ token_ttl: 59 })],
    ["a lifetime in words", bound({ token_ttl: "1h" })],
    ["an instant without an offset", bound({ expires_at: "2099-01-01T00:00:00" })],
    ["a mode", bound({ mode: "warn" })],
    ["an issuer's id that is none", bound({ issuer_id: "blue" })],
    ["a grant of nothing", granted({})],
    ["a grant without actions", granted({ repository: "acme/app", actions: [] })],
    ["a grant of an unknown action", granted({ repository: "acme/app", actions: ["read"] })],
    ["a grant of two kinds", granted({ catalog: true, repository: "acme/app", actions: ["pull"] })],
    ["a catalog that is not", granted({ catalog: false })],
  ])("is refused by the schema, and by the service: %s", async (_, document) => {
    expect(isValid("organization-state", document)).toBe(false);
    expect((await tried("organization-state", document)).status).toBe(400);
    const within = { organizations: { acme: document } };
    expect(isValid("state", within)).toBe(false);
    expect((await tried("state", within)).status).toBe(400);
  });

  it.each<[string, unknown]>([
    ["an issuer without its string", { issuers: [{ name: "x" }] }],
    ["an issuer with a typo", { issuers: [{ issuer: "https://x.example", audience: ["x"] }] }],
    ["an algorithm that nobody has", { issuers: [{ issuer: "https://x.example", algorithms: ["HS256"] }] }],
    ["issuers by name", { issuers: { blue: {} } }],
    ["a registry with a typo", { registries: { "x.example": { ttl: 60 } } }],
    ["a key profile", { registries: { "x.example": { key_profile: "pem" } } }],
    ["a principal with roles, which stand elsewhere", { principals: { anna: { roles: { acme: "admin" } } } }],
    ["half a superuser", { principals: { anna: { super_user: "yes" } } }],
    ["organizations in a list", { organizations: ["acme"] }],
  ])("is refused by the schema, and by the service: %s", async (_, document) => {
    expect(isValid("state", document)).toBe(false);
    expect((await tried("state", document)).status).toBe(400);
  });

  it("whatever the schema refuses, the service does", async () => {
    const values = fc.oneof(
      fc.constantFrom(null, true, 0, -1, 61, "", "x", "2099-01-01T00:00:00Z"),
      fc.constantFrom([], {}, ["pull"], { x: 1 }),
    );
    await fc.assert(
      fc.asyncProperty(organizationStates, fc.nat(), values, fc.boolean(), async (document, at, value, isRemoved) => {
        const places = placesIn(document);
        const place = places[at % places.length] ?? [];
        const mutant = withAt(document, place, isRemoved ? undefined : value);
        if (isValid("organization-state", mutant)) return;
        const { status, body } = await tried("organization-state", mutant);
        expect(
          status,
          `${place.join(".")}: ${JSON.stringify(value)} ${problems("organization-state")} ${JSON.stringify(body)}`,
        ).toBe(400);
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });
});

type Place = (string | number)[];

/** Where in a value other values are. */
function placesIn(value: unknown, place: Place = []): Place[] {
  if (typeof value !== "object" || value === null) return [place];
  const inner = Object.entries(value).flatMap(([name, one]) =>
    placesIn(one, [...place, Array.isArray(value) ? Number(name) : name]),
  );
  return [place, ...inner].filter((one) => one.length > 0);
}

/** The same with another value there, or without one. */
function withAt(value: unknown, [name, ...rest]: Place, other: unknown): unknown {
  if (name === undefined) return other;
  if (Array.isArray(value))
    return value.map((one, index) => (index === name ? (withAt(one, rest, other) ?? null) : one));
  const { [name]: was, ...kept } = value as Record<string, unknown>;
  const put = withAt(was, rest, other);
  return put === undefined ? kept : { ...kept, [name]: put };
}
