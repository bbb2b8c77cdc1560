import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { callRaw, expectProblem } from "../support/problems.ts";

let berth: TestBerth;
const path = "/organization/acme/prototypes";

beforeAll(async () => {
  berth = await startBerth();
  for (const name of ["acme+cd", "acme+ci", "acme+pull", "other+ci"]) await berth.createRobot(name);
});

afterAll(() => berth.remove());

beforeEach(async () => {
  for (const robot of ["cd", "ci", "pull"]) await setGrants(robot, []);
});

const grantsOf = (robot: string) => `/organization/acme/robots/${robot}/grants`;
const setGrants = (robot: string, grants: object[]) => berth.api("PUT", grantsOf(robot), grants);
const post = (name: unknown, role: unknown, more: object = {}) =>
  berth.api("POST", path, { role, delegate: { name, kind: "user" }, ...more });
const list = async () => (await berth.api("GET", path)).body.prototypes;
const own = (actions: string[]) => ({ registry: berth.host, repository: "acme/*", actions });

const shaped = (name: string, role: string) => ({
  id: expect.stringMatching(/^[0-9a-f-]{36}$/),
  role,
  delegate: { name, kind: "user", is_robot: true, is_org_member: true },
  activating_user: null,
});
const warnings = [expect.stringContaining("acme/*")];

describe("a default permission", () => {
  it.each([
    ["read", ["pull"]],
    ["write", ["pull", "push"]],
    ["admin", ["pull", "push", "delete"]],
  ])("of %s is a grant of %j on all repositories, and says so", async (role, actions) => {
    const made = await post("acme+ci", role);
    expect([made.status, made.body]).toEqual([200, { ...shaped("acme+ci", role), warnings }]);
    expect((await berth.api("GET", grantsOf("ci"))).body).toEqual([own(actions)]);
    expect((await berth.api("GET", `${path}/${made.body.id}`)).body).toEqual(made.body);
    expect(await list()).toEqual([shaped("acme+ci", role)]);
  });

  it("is put in the place of the one before, with its id, and every other grant stays where it is", async () => {
    const others = ["acme/a", "other/b"].map((repository) => ({ repository, actions: ["pull"] }));
    await setGrants("ci", [others[0] ?? {}, own(["pull", "delete"]), others[1] ?? {}]);
    const [{ id }] = await list();
    expect((await post("acme+ci", "write")).body).toMatchObject({ id, role: "write" });
    expect((await post("acme+ci", "write")).body).toMatchObject({ id, role: "write" });
    expect((await berth.api("GET", grantsOf("ci"))).body).toMatchObject([others[0], own(["pull", "push"]), others[1]]);
    await berth.api("PUT", grantsOf("ci"), [own(["pull"])]);
    expect(await list()).toMatchObject([{ id, role: "read" }]);
  });

  it("is changed and deleted by its id", async () => {
    const { id } = (await post("acme+ci", "read")).body;
    await setGrants("ci", [own(["pull"]), { repository: "acme/a", actions: ["pull"] }]);
    const changed = await berth.api("PUT", `${path}/${id}`, { role: "admin" });
    expect([changed.status, changed.body]).toEqual([200, { ...shaped("acme+ci", "admin"), id, warnings }]);
    const deleted = await berth.api("DELETE", `${path}/${id}/`);
    expect([deleted.status, deleted.body]).toEqual([204, ""]);
    expect((await berth.api("GET", grantsOf("ci"))).body).toMatchObject([{ repository: "acme/a" }]);
    for (const method of ["GET", "PUT", "DELETE"]) {
      const body = method === "PUT" ? { role: "read" } : undefined;
      expectProblem(await berth.api(method, `${path}/${id}`, body), 404, "not_found");
    }
  });

  it("shows the greatest role that the grant contains, and none where it cannot pull", async () => {
    await setGrants("ci", [own(["pull", "delete"])]);
    await setGrants("cd", [own(["push"])]);
    expect(await list()).toEqual([shaped("acme+ci", "read")]);
    expect((await post("acme+cd", "read")).body).toMatchObject({ role: "read" });
    expect((await berth.api("GET", grantsOf("cd"))).body).toEqual([own(["pull"])]);
  });

  it("is taken as Quay's clients send it: a final slash, keys it does not know, a null for who makes repositories", async () => {
    const more = { activating_user: null, delegate: { name: "acme+ci", kind: "user", is_robot: true, avatar: {} } };
    const body = JSON.stringify({ role: "read", ...more, id: "x" });
    expect((await callRaw(berth, "POST", `${path}/`, body)).body).toMatchObject({ role: "read" });
    expect((await berth.api("GET", `${path}/`)).body.prototypes).toHaveLength(1);
  });

  it("is nobody's but of the organization's robots, by that pattern, on the default registry", async () => {
    await berth.api("POST", "/registries", { service: "images.example" });
    const elsewhere = { ...own(["pull"]), registry: "images.example" };
    await setGrants("ci", [
      elsewhere,
      { repository: "acme/a/*", actions: ["pull"] },
      { repository: "*", actions: ["pull"] },
    ]);
    await berth.api("PUT", "/organization/other/robots/ci/grants", [own(["pull"])]);
    expect(await list()).toEqual([]);
    expect((await berth.api("GET", "/organization/other/prototypes")).body.prototypes).toEqual([]);
  });

  it("of another organization is not there", async () => {
    const { id } = (await post("acme+ci", "read")).body;
    for (const [method, body] of [["GET"], ["PUT", { role: "admin" }], ["DELETE"]] as const) {
      expectProblem(await berth.api(method, `/organization/other/prototypes/${id}`, body), 404, "not_found");
    }
    expect(await list()).toMatchObject([{ id, role: "read" }]);
  });

  it("does not go past what a robot may hold", async () => {
    await setGrants(
      "ci",
      Array.from({ length: 500 }, (_, index) => ({ repository: `acme/r${index}`, actions: ["pull"] })),
    );
    expectProblem(await post("acme+ci", "read"), 409, "conflict");
    expect(await list()).toEqual([]);
  });
});

describe("a default permission is refused", () => {
  it.each(["other+ci", "acme+none", "acme", "ci", "none+ci", "ACME+ci", "+", "", "acme+ci+x", "acme+ci/*"])(
    "for %j, who is no robot of the organization",
    async (name) => {
      const answer = await post(name, "read");
      expect(expectProblem(answer, 400, "invalid")).toContain("acme+");
      expect(answer.body.errors).toEqual([{ path: ["delegate", "name"], message: expect.any(String) }]);
    },
  );

  it("for a team, with a repository's maker, or without a role: each problem is named", async () => {
    const body = { role: "owner", delegate: { name: "acme+ci", kind: "team" }, activating_user: { name: "admin" } };
    const { errors } = (await berth.api("POST", path, body)).body;
    expect(errors.map((problem: { path: string[] }) => problem.path.join("."))).toEqual([
      "role",
      "delegate.kind",
      "activating_user",
    ]);
    for (const sent of [{}, { role: "read" }, { delegate: { name: "acme+ci", kind: "user" } }, [], null, "read"]) {
      expectProblem(await berth.api("POST", path, sent), 400, "invalid");
    }
    expect(await list()).toEqual([]);
  });

  it("in an organization that is not there", async () => {
    const none = "/organization/none/prototypes";
    expectProblem(await berth.api("GET", none), 404, "not_found");
    expectProblem(
      await berth.api("POST", none, { role: "read", delegate: { name: "none+ci", kind: "user" } }),
      404,
      "not_found",
    );
  });
});

it("default permissions are listed by robot, page by page, and whole where no page is asked for", async () => {
  for (const name of ["pull", "cd", "ci"]) await post(`acme+${name}`, "read");
  const names = (body: { prototypes: { delegate: { name: string } }[] }) =>
    body.prototypes.map(({ delegate }) => delegate.name);
  const first = (await berth.api("GET", `${path}?limit=2`)).body;
  expect(names(first)).toEqual(["acme+cd", "acme+ci"]);
  const rest = (await berth.api("GET", `${path}?limit=2&next_page=${first.next_page}`)).body;
  expect([names(rest), rest.next_page, rest.warnings]).toEqual([["acme+pull"], undefined, warnings]);
  for (let index = 0; index < 101; index += 1) {
    await berth.api("PUT", `/organization/acme/robots/many-${index}`, {});
    await post(`acme+many-${index}`, "read");
  }
  expect(await list()).toHaveLength(104);
});

describe("default permissions", () => {
  /** With a token of somebody who holds these roles. */
  async function as(name: string, roles: Record<string, string>) {
    await berth.api("POST", "/principals", { name, roles });
    const { token } = (await berth.api("POST", `/principals/${name}/tokens`, { name: "test" })).body;
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    return (method: string, at: string, body?: object) =>
      call(`${berth.url}/api/v1${at}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  }

  const changes = (id: string): [string, string, object?][] => [
    ["POST", path, { role: "read", delegate: { name: "acme+none", kind: "user" } }],
    ["PUT", `${path}/${id}`, { role: "write" }],
    ["DELETE", `${path}/${id}`],
  ];

  it.each(["reader", "member"])("are a %s's to read, and not to change", async (role) => {
    const { id } = (await post("acme+ci", "read")).body;
    const ask = await as(`a-${role}`, { acme: role });
    for (const at of [path, `${path}/${id}`]) expect((await ask("GET", at)).status).toBe(200);
    for (const change of changes(id)) expectProblem(await ask(...change), 403, "forbidden");
  });

  it("are an admin's to change, and those of another organization are not there", async () => {
    const { id } = (await post("acme+ci", "read")).body;
    const [own, foreign] = [await as("own-admin", { acme: "admin" }), await as("other-admin", { other: "admin" })];
    for (const change of [["GET", path], ["GET", `${path}/${id}`], ...changes(id)] as [string, string, object?][]) {
      expectProblem(await foreign(...change), 404, "not_found");
    }
    expect((await own("PUT", `${path}/${id}`, { role: "write" })).status).toBe(200);
    expect((await own("DELETE", `${path}/${id}`)).status).toBe(204);
  });
});

describe("a change of a default permission", () => {
  it("is made of the state that If-Match names, or not at all", async () => {
    const ifMatch = (tag: string | null) => ({ "content-type": "application/json", "if-match": tag ?? "" });
    const sent = JSON.stringify({ role: "read", delegate: { name: "acme+ci", kind: "user" } });
    expectProblem(await callRaw(berth, "POST", path, sent, ifMatch("*")), 412, "precondition_failed");
    const made = await callRaw(berth, "POST", path, sent);
    const item = `${path}/${made.body.id}`;
    const before = made.headers.get("etag");
    expect((await berth.api("GET", item)).headers.get("etag")).toBe(before);
    const write = await callRaw(berth, "PUT", item, '{"role":"write"}', ifMatch(before));
    expect(write.status).toBe(200);
    for (const [method, at, body] of [
      ["PUT", item, '{"role":"admin"}'],
      ["POST", path, sent],
      ["DELETE", item],
    ] as const) {
      expectProblem(await callRaw(berth, method, at, body, ifMatch(before)), 412, "precondition_failed");
    }
    await setGrants("ci", [own(["pull", "push"])]);
    expect((await callRaw(berth, "DELETE", item, undefined, ifMatch(write.headers.get("etag")))).status).toBe(204);
  });

  it("has another entity tag where the role says the same and the grant does not", async () => {
    const { headers, body } = await post("acme+ci", "read");
    await setGrants("ci", [own(["pull", "delete"])]);
    const found = await berth.api("GET", `${path}/${body.id}`);
    expect([found.body.role, found.headers.get("etag") === headers.get("etag")]).toEqual(["read", false]);
  });

  it("comes once for each Idempotency-Key", async () => {
    const key = { "content-type": "application/json", "idempotency-key": "default-permission" };
    const sent = (role: string) => JSON.stringify({ role, delegate: { name: "acme+ci", kind: "user" } });
    const made = await callRaw(berth, "POST", path, sent("read"), key);
    await berth.api("PUT", `${path}/${made.body.id}`, { role: "admin" });
    const again = await callRaw(berth, "POST", path, sent("read"), key);
    expect([again.status, again.body]).toEqual([200, { ...made.body, role: "admin" }]);
    expectProblem(await callRaw(berth, "POST", path, sent("write"), key), 409, "conflict");
  });

  it("is recorded with what was before and after", async () => {
    await setGrants("ci", [own(["push"])]);
    const { id } = (await post("acme+ci", "read")).body;
    await berth.api("PUT", `${path}/${id}`, { role: "write" });
    await berth.api("DELETE", `${path}/${id}`);
    const { logs } = (await berth.api("GET", "/organization/acme/logs?limit=3")).body;
    const told = { robot: "acme+ci", performer: { name: "admin" } };
    const whole = { delegate: "acme+ci", role: "write", actions: ["pull", "push"] };
    expect(logs).toMatchObject([
      { ...told, kind: "delete_prototype_permission", before: whole, after: null, metadata: { role: "write" } },
      {
        ...told,
        kind: "modify_prototype_permission",
        before: { role: "read", actions: ["pull"] },
        after: { role: "write", actions: ["pull", "push"] },
        metadata: { prototypeid: id, role: "write", delegate_user: "acme+ci" },
      },
      {
        ...told,
        kind: "create_prototype_permission",
        before: { role: null, actions: ["push"] },
        after: { role: "read", actions: ["pull"] },
        metadata: { prototypeid: id, role: "read", delegate_user: "acme+ci" },
      },
    ]);
  });
});
