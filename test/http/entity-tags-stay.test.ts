import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { register } from "../support/issuers.ts";
import { type ManagementCall, makePrincipal, managementBy } from "../support/principals.ts";

/** An entity tag stands for what can be edited: it is the same for everybody, and stays while the thing is used. */

let berth: TestBerth;
let issuer: TestIssuer;
let ask: ManagementCall;
let reader: ManagementCall;

const robot = "/organization/acme/robots/ci";

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  ask = managementBy(berth, berth.adminToken);
  await register(berth, issuer.url, { name: "the test's" });
  await berth.createRobot("acme+ci", {
    federation: [{ issuer: issuer.url, subject, api: true, description: "of the main branch" }],
    grants: [{ repository: "acme/app", actions: ["pull", "push"] }],
  });
  await ask("PUT", "/organization/acme/members/acme+ci", { role: "reader" });
  await ask("POST", "/organization/acme/prototypes", { role: "read", delegate: { name: "acme+ci", kind: "user" } });
  await ask("PATCH", "/organization/acme", { anonymous_pull: [{ repository: "acme/public/*" }] });
  reader = (await makePrincipal(berth, "auditor", { super_user: "read_only", roles: { acme: "reader" } })).api;
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

/** Everything that can be read with a tag, each once. */
async function everything(): Promise<string[]> {
  const [binding] = (await ask("GET", `${robot}/federation`)).body;
  const { prototypes } = (await ask("GET", "/organization/acme/prototypes")).body;
  const { issuers } = (await ask("GET", "/issuers")).body;
  return [
    "/organization/acme",
    "/organization/acme/state",
    "/organization/acme/members/acme+ci",
    `/organization/acme/prototypes/${prototypes[0].id}`,
    robot,
    `${robot}/federation`,
    `${robot}/federation/bindings/${binding.id}`,
    `${robot}/grants`,
    "/repository/acme/app/permissions/user/acme+ci",
    "/principals/auditor",
    `/issuers/${issuers[0].id}`,
    `/registries/${berth.host}`,
    "/state",
  ];
}

async function tagsBy(by: ManagementCall): Promise<Record<string, string | null>> {
  const tags: Record<string, string | null> = {};
  for (const path of await everything()) tags[path] = (await by("GET", path)).headers.get("etag");
  return tags;
}

it("is on all that the description says", async () => {
  const { paths } = (await call(`${berth.url}/openapi.json`)).body;
  const tagged = Object.entries<Record<string, { responses: Record<string, { headers?: object }> }>>(paths)
    .filter(([, { get }]) => "ETag" in (get?.responses["200"]?.headers ?? {}))
    .map(([path]) => path.replace(/\{\w+\}/g, "*"));
  const shape = (path: string) =>
    `/api/v1${path}`
      .replace(/\/[0-9a-f-]{36}/g, "/*")
      .replace(/(organization|members|robots|principals|registries)\/[^/]+/g, "$1/*")
      .replace("acme/app/permissions/user/acme+ci", "*/permissions/user/*");
  expect((await everything()).map(shape).toSorted()).toEqual(tagged.toSorted());
});

it("stays when the thing is read, exchanged, logged in with and managed by", async () => {
  const before = await tagsBy(ask);
  for (const tag of Object.values(before)) expect(tag).toMatch(/^"[\w-]{20,}"$/);
  expect(new Set(Object.values(before)).size).toBe(Object.keys(before).length);

  const used = (await ask("GET", robot)).body.last_accessed;
  const { body } = await berth.exchange("acme+ci", await issuer.sign(berth.url));
  const headers = { authorization: basic("acme+ci", body.token) };
  const login = await call(`${berth.url}/v2/auth?service=${berth.host}&scope=repository:acme/app:pull`, { headers });
  expect(login.status).toBe(200);
  expect((await managementBy(berth, body.token)("GET", "/organization/acme")).status).toBe(200);
  await reader("GET", "/user");
  await ask("POST", `/issuers/${(await ask("GET", "/issuers")).body.issuers[0].id}/refresh`);
  expect((await ask("GET", robot)).body.last_accessed).not.toBe(used);
  expect((await ask("GET", `${robot}/federation`)).body[0].use_count).toBe(1);
  expect(await tagsBy(ask)).toEqual(before);
});

it("stays when the issuer is down, or a key is turned", async () => {
  const before = await tagsBy(ask);
  issuer.answer("/jwks", (_, response) => response.writeHead(500).end());
  await ask("POST", `/issuers/${(await ask("GET", "/issuers")).body.issuers[0].id}/refresh`);
  await ask("POST", `/registries/${berth.host}/rotate`, {});
  await ask("POST", "/keys/rotate", {});
  issuer.answer("/jwks", undefined);
  expect(await tagsBy(ask)).toEqual(before);
});

it("is the same for whoever may read the thing", async () => {
  expect(await tagsBy(reader)).toEqual(await tagsBy(ask));
});

describe("the same JSON in another order", () => {
  it("has the same tag, of a robot's metadata", async () => {
    const path = "/organization/acme/robots/ordered";
    const one = { b: 1, a: { z: [1, 2, { y: null, x: "ü" }], "10": 0.1, "9": -0, constructor: 1e-7 } };
    const other = { a: { constructor: 1e-7, "9": 0, "10": 0.1, z: [1, 2, { x: "ü", y: null }] }, b: 1 };
    const made = await ask("PUT", path, { unstructured_metadata: one });
    expect(made.status).toBe(201);
    const tag = made.headers.get("etag") ?? "";
    expect((await ask("GET", path)).headers.get("etag")).toBe(tag);
    const changed = await ask("PATCH", path, { unstructured_metadata: other }, { "if-match": tag });
    expect(changed.headers.get("etag")).toBe(tag);
    expect((await ask("GET", path)).headers.get("etag")).toBe(tag);
    const reordered = { ...other, a: { ...other.a, z: [2, 1, { x: "ü", y: null }] } };
    expect((await ask("PATCH", path, { unstructured_metadata: reordered })).headers.get("etag")).not.toBe(tag);
  });

  it("has the same tag, of a binding's claims", async () => {
    const claims = { ref: { in: ["a", "b"] }, environment: { equals: "production" }, "10": { equals: 1 } };
    const { environment, ref, ...rest } = claims;
    await ask("PUT", "/organization/acme/robots/claimed", {});
    const path = "/organization/acme/robots/claimed/federation/bindings";
    const made = await ask("POST", path, { issuer: issuer.url, subject, claims });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    const binding = `${path}/${made.body.id}`;
    const changed = await ask("PATCH", binding, { claims: { ...rest, ref, environment } });
    expect(changed.headers.get("etag")).toBe(made.headers.get("etag"));
    expect(changed.body.version).toBe(1);
    const more = await ask("PATCH", binding, { claims: { ...claims, ref: { in: ["a"] } } });
    expect(more.body.version).toBe(2);
    expect(more.headers.get("etag")).not.toBe(made.headers.get("etag"));
  });

  it("has the same tag, of lists that are sets", async () => {
    const path = `/issuers/${(await ask("GET", "/issuers")).body.issuers[0].id}`;
    const one = await ask("PATCH", path, { algorithms: ["RS256", "ES256"] });
    const other = await ask("PATCH", path, { algorithms: ["ES256", "RS256", "ES256"] });
    expect(one.status).toBe(200);
    expect(other.headers.get("etag")).toBe(one.headers.get("etag"));
    const grants = (actions: string[]) => ask("PUT", `${robot}/grants`, [{ repository: "acme/app", actions }]);
    const [some, same] = [await grants(["pull", "push"]), await grants(["push", "pull", "push"])];
    expect(some.status).toBe(200);
    expect(same.headers.get("etag")).toBe(some.headers.get("etag"));
  });
});

it("comes back when what was changed is changed back", async () => {
  const tag = (await ask("GET", robot)).headers.get("etag");
  const changed = await ask("PATCH", robot, { description: "another" });
  expect(changed.headers.get("etag")).not.toBe(tag);
  expect((await ask("PATCH", robot, { description: "" })).headers.get("etag")).toBe(tag);
});
