import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type ManagementCall, makePrincipal, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** What a document of an organization says, what it leaves unsaid, and who may put one. */

let berth: TestBerth;
let ask: ManagementCall;
let organization = "";
let state = "";
let made = 0;

beforeAll(async () => {
  berth = await startBerth();
  ask = managementBy(berth, berth.adminToken);
  for (const name of ["anna", "bert"]) await ask("POST", "/principals", { name });
});

afterAll(() => berth.remove());

beforeEach(async () => {
  made += 1;
  organization = `org-${made}`;
  state = `/organization/${organization}/state`;
  expect((await ask("POST", "/organization/", { name: organization })).status).toBe(201);
});

const issuer = "http://127.0.0.1:9/ci";
const pull = ["pull"];

async function put(document: object, query = ""): Promise<string[]> {
  const { status, body } = await ask("PUT", `${state}${query}`, document);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.changes.map(({ action, kind, name }: Record<string, string>) => `${action} ${kind} ${name}`).toSorted();
}
const get = async () => (await ask("GET", state)).body;

/** Something of everything. */
const all = () => ({
  settings: { email: "a@example.com", audiences: ["ci"], robot_tokens: "never" },
  members: { anna: "admin", [`${organization}+ci`]: "reader" },
  robots: {
    ci: {
      description: "builds",
      unstructured_metadata: { team: "platform" },
      federation: [{ issuer, subject: "ci", claims: { ref: { equals: "main" } } }],
      grants: [{ repository: `${organization}/app`, actions: pull }],
    },
    deploy: {},
  },
  prototypes: { deploy: "read" },
});

describe("a document", () => {
  it("of a new organization is empty, but for its settings", async () => {
    expect(await get()).toEqual({
      settings: {
        email: null,
        audiences: null,
        clients: null,
        robot_tokens: "on_request",
        anonymous_pull: [],
        repository_prefixes: [],
      },
      members: {},
      robots: {},
      prototypes: {},
    });
    expect(await put({})).toEqual([]);
    expect(await put(await get())).toEqual([]);
    expect(await put({ $schema: "./organization-state.json" })).toEqual([]);
  });

  it("makes all at once, and tells each thing", async () => {
    expect(await put(all())).toEqual([
      `change settings ${organization}`,
      "create member anna",
      `create member ${organization}+ci`,
      `create prototype ${organization}+deploy`,
      `create robot ${organization}+ci`,
      `create robot ${organization}+deploy`,
    ]);
    const { ci, deploy } = (await get()).robots;
    expect(ci).toMatchObject({ disabled: false, ...all().robots.ci });
    expect(deploy).toEqual({ description: "", unstructured_metadata: {}, disabled: false, federation: [], grants: [] });
    expect(await put(all())).toEqual([]);
  });

  it("leaves alone what it has no section of, and clears a section that is empty", async () => {
    await put(all());
    const before = await get();
    for (const part of [{}, { settings: {} }, { settings: { email: "a@example.com" } }]) {
      expect(await put(part)).toEqual([]);
    }
    expect(await get()).toEqual(before);
    expect(await put({ prototypes: {} })).toEqual([`delete prototype ${organization}+deploy`]);
    expect(await put({ members: {} })).toEqual(["delete member anna", `delete member ${organization}+ci`]);
    expect(await put({ robots: {} })).toEqual([
      `delete robot ${organization}+ci`,
      `delete robot ${organization}+deploy`,
    ]);
    expect(await get()).toEqual({ ...before, members: {}, robots: {}, prototypes: {} });
  });

  it("leaves alone what it does not say of a robot", async () => {
    await put(all());
    const { ci } = (await get()).robots;
    expect(await put({ robots: { ci: {}, deploy: {} } })).toEqual([]);
    expect(await put({ robots: { ci: { description: "tests" }, deploy: {} } })).toEqual([
      `change robot ${organization}+ci`,
    ]);
    expect((await get()).robots.ci).toEqual({ ...ci, description: "tests" });
    await put({ robots: { ci: { federation: [], unstructured_metadata: {} }, deploy: {} } });
    expect((await get()).robots.ci).toMatchObject({ federation: [], unstructured_metadata: {}, grants: ci.grants });
    expect((await get()).prototypes).toEqual({ deploy: "read" });
  });

  it("keeps what it does not list where it says so", async () => {
    await put(all());
    const before = await get();
    const more = { robots: { third: {} }, members: { bert: "reader" }, prototypes: { ci: "write" }, unlisted: "keep" };
    expect(await put(more)).toHaveLength(3);
    const after = await get();
    expect(after).toMatchObject({ ...before, members: { ...before.members, bert: "reader" } });
    expect(after.prototypes).toEqual({ ci: "write", deploy: "read" });
    expect(Object.keys(after.robots)).toEqual(["ci", "deploy", "third"]);
    expect(await put({ robots: {}, members: {}, prototypes: {}, unlisted: "keep" })).toEqual([]);
    expect(await put({ ...more, prototypes: {}, unlisted: "delete" })).not.toEqual([]);
    expect(await get()).toMatchObject({ members: { bert: "reader" }, robots: { third: {} }, prototypes: {} });
    expect(Object.keys((await get()).robots)).toEqual(["third"]);
  });

  it("takes robots with what they held: roles, prototypes, bindings and grants", async () => {
    await put(all());
    expect(await put({ robots: { deploy: {} } })).toEqual([
      `delete member ${organization}+ci`,
      `delete robot ${organization}+ci`,
    ]);
    await put({ robots: { ci: {}, deploy: {} } });
    expect((await get()).robots.ci).toMatchObject({ description: "", federation: [], grants: [] });
    expect((await get()).members).toEqual({ anna: "admin" });
  });

  it("takes names that objects have by themselves", async () => {
    const names = ["constructor", "to.string", "has-own-property", "value_of"];
    const robots = Object.fromEntries(names.map((name) => [name, { description: name }]));
    await ask("POST", "/principals", { name: "constructor" });
    const document = { robots, members: { constructor: "reader" }, prototypes: { constructor: "read" } };
    expect(await put(document)).toHaveLength(6);
    expect(await get()).toMatchObject(document);
    expect(await put(document)).toEqual([]);
    expect(await put({ robots: {}, members: {} })).toHaveLength(6);
  });

  it("makes no static tokens, which nobody would be shown", async () => {
    await ask("PATCH", `/organization/${organization}`, { robot_tokens: "on_create" });
    const { body } = await ask("PUT", state, { robots: { ci: {} } });
    expect(JSON.stringify(body)).not.toContain("berth_robot");
    const { logs } = (await ask("GET", `/organization/${organization}/logs`)).body;
    const created = logs.find(({ kind }: { kind: string }) => kind === "create_robot");
    expect(created.metadata.token_id).toBeUndefined();
    const direct = await ask("PUT", `/organization/${organization}/robots/direct`, {});
    expect(direct.body.token).toMatch(/^berth_/);
  });

  it("records what it changed, each thing and the whole, and nothing where it changed nothing", async () => {
    const first = await ask("PUT", state, all());
    const recorded = async (answer: typeof first) =>
      (await ask("GET", `/logs?request_id=${answer.headers.get("x-request-id")}`)).body.logs;
    const logs = await recorded(first);
    const kinds = logs.map(({ kind }: { kind: string }) => kind).toSorted();
    expect(kinds.filter((kind: string) => kind !== "create_robot")).toEqual([
      "change_robot_grants",
      "change_robot_grants",
      "create_robot_federation",
      "org_change",
      "put_member",
      "put_member",
      "put_organization_state",
    ]);
    const whole = logs.find(({ kind }: { kind: string }) => kind === "put_organization_state");
    expect(whole).toMatchObject({ performer: { name: "admin" }, organization });
    expect(whole.metadata.changes).toHaveLength(first.body.changes.length);
    expect(await recorded(await ask("PUT", state, all()))).toEqual([]);
    expect(await recorded(await ask("PUT", `${state}?dry_run=true`, { robots: {} }))).toEqual([]);
  });
});

describe("who may", () => {
  it("read a document: readers; put it: admins; try it: admins", async () => {
    await put({ ...all(), settings: {} });
    const document = await get();
    for (const [role, status] of [
      ["reader", 403],
      ["member", 403],
      ["admin", 200],
    ] as const) {
      const { api } = await makePrincipal(berth, `${role}-${made}`, { roles: { [organization]: role } });
      expect((await api("GET", state)).body).toEqual({ ...document, members: expect.anything() });
      const { members: _, ...rest } = document;
      for (const query of ["", "?dry_run=true"]) expect((await api("PUT", state + query, rest)).status).toBe(status);
    }
    const stranger = await makePrincipal(berth, `stranger-${made}`);
    for (const method of ["GET", "PUT"]) {
      expectProblem(await stranger.api(method, state, method === "PUT" ? {} : undefined), 404, "not_found");
    }
  });

  it("not shut out themselves", async () => {
    const name = `boss-${made}`;
    const boss = await makePrincipal(berth, name, { roles: { [organization]: "admin" } });
    const refusals: [object, unknown[]][] = [
      [{ members: {} }, ["members"]],
      [{ members: { [name]: "member" } }, ["members", name]],
      [{ members: { [name]: "reader", anna: "admin" } }, ["members", name]],
    ];
    for (const [document, path] of refusals) {
      const refused = await boss.api("PUT", state, document);
      expectProblem(refused, 400, "invalid");
      expect(refused.body.errors.map((one: { path: unknown }) => one.path)).toEqual([path]);
    }
    expect((await get()).members).toEqual({ [name]: "admin" });
    for (const members of [{ [name]: "admin" }, { [name]: "admin", anna: "reader" }]) {
      expect((await boss.api("PUT", state, { members })).status).toBe(200);
    }
    expect((await boss.api("PUT", state, { members: {}, unlisted: "keep" })).status).toBe(200);
    expect((await ask("PUT", state, { members: {} })).status).toBe(200);
  });

  it("change themselves in it who have another way in", async () => {
    const name = `root-${made}`;
    const root = await makePrincipal(berth, name, { super_user: true, roles: { [organization]: "reader" } });
    const document = { ...all(), members: { [name]: "admin" } };
    expect((await root.api("PUT", state, document)).status).toBe(200);
    expect((await get()).members).toEqual({ [name]: "admin" });
    expect((await root.api("PUT", state, { ...document, members: {} })).status).toBe(200);
  });
});
