import fc from "fast-check";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Dump, openDump } from "../support/dump.ts";
import { type Instances, startInstances } from "../support/instances.ts";
import { organizationStates, statePrincipals, stateRegistry } from "../support/organization-states.ts";
import { expectProblem } from "../support/problems.ts";

/** A document is applied whole or not at all: seen from the tables of a PostgreSQL with two instances. */

let instances: Instances;
let dump: Dump;
const ask: Instances["ask"] = (...call) => instances.ask(...call);
const state = "/organization/acme/state";

beforeAll(async () => {
  instances = await startInstances();
  dump = openDump(instances.environment.DATABASE_URL);
  for (const name of statePrincipals) await ask("POST", "/principals", { name });
  for (const name of ["acme", "beta"]) await ask("POST", "/organization/", { name });
  await ask("POST", "/registries", { service: stateRegistry });
});

afterAll(async () => {
  await dump.close();
  await instances.remove();
});

/** All but when the token of the test was used. */
const everything = () => dump.tables(["api_tokens"]);
const issuer = "http://127.0.0.1:9/ci";
const pathsOf = ({ body }: { body: { errors: { path: unknown[] }[] } }) => body.errors.map(({ path }) => path);

it("a dry run changes nothing in any table, whatever it is about", async () => {
  const documents = fc.sample(organizationStates, { numRuns: 8, seed: 5 });
  for (const document of documents) {
    const before = await everything();
    const tried = await ask("PUT", `${state}?dry_run=true`, document);
    expect(tried.status, JSON.stringify(tried.body)).toBe(200);
    const organizations = { acme: { ...document, unlisted: "delete" } };
    const whole = { organizations, principals: { fresh: {} }, registries: {}, issuers: [], unlisted: "keep" };
    const service = await ask("PUT", "/state?dry_run=true", whole);
    expect(service.status, JSON.stringify(service.body)).toBe(200);
    expect(service.body.changes).toMatchObject([
      { action: "create", kind: "principal", name: "fresh" },
      ...tried.body.changes.map((change: object) => ({ ...change, organization: "acme" })),
    ]);
    expect(await everything()).toEqual(before);
    const put = await ask("PUT", state, document);
    expect(put.body.changes).toEqual(tried.body.changes);
    expect(await everything()).not.toEqual(before);
  }
});

describe("a document with problems", () => {
  const fine = {
    settings: { email: "new@example.com" },
    members: { anna: "admin" },
    robots: {
      made: { federation: [{ issuer, subject: "job" }], grants: [{ repository: "acme/x", actions: ["pull"] }] },
    },
    prototypes: { made: "write" },
  };

  it.each<[string, Record<string, unknown>, unknown[]]>([
    [
      "settings",
      { settings: { ...fine.settings, anonymous_pull: [{ repository: "beta/app" }] } },
      ["settings", "anonymous_pull", 0, "repository"],
    ],
    ["settings that contradict themselves", { settings: { audiences: [], clients: [] } }, ["settings", "audiences"]],
    ["a prefix that is another's", { settings: { repository_prefixes: ["beta"] } }, ["settings"]],
    ["a member who is not there", { members: { ...fine.members, nobody: "admin" } }, ["members", "nobody"]],
    ["a robot of no good name", { robots: { ...fine.robots, "Not a name": {} } }, ["robots", "Not a name", "robot"]],
    [
      "a binding",
      { robots: { made: { federation: [{ issuer, subject: "a*" }] } } },
      ["robots", "made", "federation", 0, "subject"],
    ],
    [
      "a grant",
      { robots: { made: { grants: [{ repository: "ACME/x", actions: ["pull"] }] } } },
      ["robots", "made", "grants", 0, "repository"],
    ],
    ["a prototype", { prototypes: { absent: "read" } }, ["prototypes", "absent"]],
  ])("changes nothing at all for the sake of %s", async (_, part, path) => {
    const before = await everything();
    const refused = await ask("PUT", state, { ...fine, ...part });
    expect([400, 409], JSON.stringify(refused.body)).toContain(refused.status);
    expect(pathsOf(refused)).toEqual([path]);
    const tried = await ask("PUT", `${state}?dry_run=true`, { ...fine, ...part });
    expect([tried.status, tried.body.errors]).toEqual([refused.status, refused.body.errors]);
    expect(await everything()).toEqual(before);
  });

  it("is told all of them at once, each where it stands", async () => {
    const refused = await ask("PUT", state, {
      settings: { anonymous_pull: [{ repository: "beta/app" }, { repository: "acme/x", registry: "none.example" }] },
      members: { nobody: "admin", "beta+ci": "reader", anna: "reader" },
      robots: {
        X: {},
        made: {
          federation: [
            { issuer, subject: "a*" },
            { issuer: "none", subject: "job" },
          ],
          grants: [
            { repository: "acme/x", actions: ["pull"] },
            { repository: "acme/x", actions: ["push"] },
          ],
        },
        other: {
          federation: [
            { issuer, subject: "job" },
            { issuer, subject: "job" },
          ],
        },
      },
      prototypes: { absent: "read" },
    });
    expectProblem(refused, 400, "invalid");
    expect(
      pathsOf(refused)
        .map((path) => path.join("."))
        .toSorted(),
    ).toEqual([
      "members.beta+ci",
      "members.nobody",
      "prototypes.absent",
      "robots.X.robot",
      "robots.made.federation.0.subject",
      "robots.made.federation.1.issuer",
      "robots.made.grants.1.repository",
      "robots.other.federation.1",
      "settings.anonymous_pull.0.repository",
      "settings.anonymous_pull.1.registry",
    ]);
    for (const { message } of refused.body.errors) expect(message).toMatch(/\S/);
  });

  it("of its shape is told all of those at once", async () => {
    const refused = await ask("PUT", state, {
      setting: {},
      settings: { email: 1, robot_tokens: "sometimes", e_mail: "x" },
      members: { anna: "owner" },
      robots: { made: { disabled: "yes", grants: [{ repository: "acme/x" }], token: "x" } },
      prototypes: { made: "pull" },
      unlisted: "purge",
    });
    expectProblem(refused, 400, "invalid");
    expect(
      pathsOf(refused)
        .map((path) => path.join("."))
        .toSorted(),
    ).toEqual([
      "",
      "members.anna",
      "prototypes.made",
      "robots.made",
      "robots.made.disabled",
      "robots.made.grants.0",
      "settings",
      "settings.email",
      "settings.robot_tokens",
      "unlisted",
    ]);
    for (const body of [[], null, "x", 1, { robots: [] }, { members: ["anna"] }]) {
      expectProblem(await ask("PUT", state, body), 400, "invalid");
    }
  });

  it("is not told more of them than help", async () => {
    const robots = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`Robot-${index}`, {}]));
    const refused = await ask("PUT", state, { robots });
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors.length).toBeGreaterThanOrEqual(100);
    expect(refused.body.errors.length).toBeLessThan(110);
  });
});

it("of two that are put at once, one is there whole", async () => {
  const documents = fc.sample(organizationStates, { numRuns: 12, seed: 7 });
  for (let round = 0; round + 1 < documents.length; round += 2) {
    const pair = documents.slice(round, round + 2);
    const answers = await Promise.all(pair.map((document) => ask("PUT", state, document)));
    for (const { status, body } of answers) expect(status, JSON.stringify(body)).toBe(200);
    expect(pair).toContainEqual((await ask("GET", state)).body);
    const { headers } = await ask("GET", state);
    const match = { "if-match": headers.get("etag") ?? "" };
    const next = await Promise.all(
      pair.map((document) => ask("PUT", state, { ...document, robots: {}, members: {}, prototypes: {} }, match)),
    );
    expect(next.map(({ status }) => status).toSorted()).toEqual([200, 412]);
  }
});

it("one with two thousand robots is read, put without a change, and changed in one place", async () => {
  const large = "/organization/large/state";
  await instances.one.createRobot("large+first", { federation: [{ issuer, subject: "job" }] });
  const sql = postgres(instances.environment.DATABASE_URL, { max: 1, onnotice: () => {} });
  try {
    await sql.begin(async (tx) => {
      await tx`
        insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
        select gen_random_uuid(), id, 'r' || n, 'robot ' || n, jsonb_build_object('n', n), now(), 'admin'
        from organizations, generate_series(1, 1999) n where name = 'large'`;
      await tx`
        insert into bindings (id, robot_id, issuer_id, position, version, subject, mode, created_at)
        select gen_random_uuid(), robots.id, issuers.id, position, 1, robots.name || ':' || position, 'enforce', now()
        from robots, issuers, generate_series(0, 1) position
        where robots.name ~ '^r[0-9]+$' and issuers.issuer = ${issuer}`;
      await tx`
        insert into grants (id, robot_id, registry_id, position, type, pattern, actions)
        select gen_random_uuid(), robots.id, registries.id, 0, 'repository', 'large/' || robots.name, array['pull', 'push']
        from robots, registries where robots.name ~ '^r[0-9]+$' and is_default`;
    });
  } finally {
    await sql.end();
  }
  const read = await ask("GET", large);
  expect(Object.keys(read.body.robots)).toHaveLength(2000);
  expect(read.body.robots.r1999.federation).toHaveLength(2);
  const again = await ask("PUT", large, read.body, { "if-match": read.headers.get("etag") ?? "" });
  expect(again.body, JSON.stringify(again.body).slice(0, 300)).toEqual({ dry_run: false, changes: [] });
  const changed = structuredClone(read.body);
  changed.robots.r1000.description = "another";
  expect((await ask("PUT", large, changed)).body.changes).toEqual([
    {
      action: "change",
      kind: "robot",
      name: "large+r1000",
      before: { description: "robot 1000" },
      after: { description: "another" },
    },
  ]);
});
