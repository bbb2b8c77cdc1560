import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { callRaw, expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci", {});
});

afterAll(() => berth.remove());

const robots = "/organization/acme/robots";

describe("robots", () => {
  it("are created, read, changed and deleted", async () => {
    const given = { description: "builds", unstructured_metadata: { team: "a", nested: { x: [1, null] } } };
    const created = await berth.api("PUT", `${robots}/builder`, given);
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      name: "acme+builder",
      created: expect.stringMatching(/Z$/),
      created_by: "admin",
      last_accessed: null,
      token: null,
      disabled: false,
      ...given,
    });
    expect((await berth.api("GET", `${robots}/builder`)).body).toEqual(created.body);

    const changed = await berth.api("PATCH", `${robots}/builder`, { disabled: true });
    expect([changed.status, changed.body]).toEqual([200, { ...created.body, disabled: true }]);

    const deleted = await berth.api("DELETE", `${robots}/builder`);
    expect([deleted.status, deleted.body]).toEqual([204, ""]);
    expectProblem(await berth.api("GET", `${robots}/builder`), 404, "not_found");
  });

  it("are made without a body, and with an empty one of a stated type", async () => {
    expect((await callRaw(berth, "PUT", `${robots}/bare`, undefined, {})).status).toBe(201);
    expect((await callRaw(berth, "PUT", `${robots}/typed`)).status).toBe(201);
  });

  it("are not made twice, and Quay's clients read why", async () => {
    const answer = await berth.api("PUT", `${robots}/ci`, {});
    expect(expectProblem(answer, 400, "already_exists")).toBe("Existing robot with name: acme+ci");
  });

  it("may be made again once they are deleted", async () => {
    await berth.api("PUT", `${robots}/phoenix`, {});
    await berth.api("DELETE", `${robots}/phoenix`);
    expect((await berth.api("PUT", `${robots}/phoenix`, {})).status).toBe(201);
  });

  it.each(["x", "Upper", "a b", "-x", "x.", "a+b", "a".repeat(256)])("are not named %j", async (name) => {
    expectProblem(await berth.api("PUT", `${robots}/${encodeURIComponent(name)}`, {}), 400, "invalid");
  });

  it("ignore what they do not know", async () => {
    expect((await berth.api("PUT", `${robots}/tolerant`, { prototype: 1, token: "mine" })).body.token).toBeNull();
  });

  it.each([
    { description: 1 },
    { description: "x".repeat(1025) },
    { unstructured_metadata: [] },
    { unstructured_metadata: "x" },
    { disabled: "yes" },
  ])("are not changed to %j", async (change) => {
    expectProblem(await berth.api("PATCH", `${robots}/ci`, change), 400, "invalid");
  });

  it.each([robots, `${robots}/`])("are listed at %s, page by page", async (path) => {
    for (const name of ["p1", "p2", "p3"]) await berth.api("PUT", `${robots}/${name}`, {});
    const first = (await berth.api("GET", `${path}?limit=1`)).body;
    expect(first.robots).toHaveLength(1);
    const rest = (await berth.api("GET", `${path}?next_page=${first.next_page}`)).body;
    const names = [...first.robots, ...rest.robots].map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
    expect(names).toEqual(expect.arrayContaining(["acme+ci", "acme+p1", "acme+p2", "acme+p3"]));
  });

  it("mean the same with a final slash", async () => {
    for (const path of [`${robots}/ci/`, `${robots}/ci/federation/`, `${robots}/ci/grants/`]) {
      expect((await berth.api("GET", path)).status).toBe(200);
    }
  });

  it("of one organization are not another's", async () => {
    await berth.createRobot("other+ci", {});
    await berth.api("DELETE", "/organization/other/robots/ci");
    expect((await berth.api("GET", `${robots}/ci`)).status).toBe(200);
  });
});

describe("a robot's grants", () => {
  const grants = `${robots}/ci/grants`;

  it("are replaced whole, and read as they are stored", async () => {
    const wanted = [
      { repository: "acme/*", actions: ["push", "pull", "pull"] },
      { registry: berth.host, repository: "*", actions: ["pull"] },
      { catalog: true },
    ];
    const stored = [
      { registry: berth.host, repository: "acme/*", actions: ["pull", "push"] },
      { registry: berth.host, repository: "*", actions: ["pull"] },
      { registry: berth.host, catalog: true },
    ];
    const put = await berth.api("PUT", grants, wanted);
    expect([put.status, put.body]).toEqual([200, stored]);
    expect((await berth.api("GET", grants)).body).toEqual(stored);
    expect((await berth.api("PUT", grants, stored)).body).toEqual(stored);
    expect((await berth.api("PUT", grants, [])).body).toEqual([]);
  });

  it.each<[string, unknown]>([
    ["no repository's pattern", [{ repository: "Acme/*", actions: ["pull"] }]],
    ["a wildcard in the middle", [{ repository: "acme/*/x", actions: ["pull"] }]],
    ["no actions", [{ repository: "acme/app", actions: [] }]],
    ["an unknown action", [{ repository: "acme/app", actions: ["*"] }]],
    ["an unknown key", [{ repository: "acme/app", actions: ["pull"], extra: 1 }]],
    ["an unknown registry", [{ registry: "none.example", repository: "acme/app", actions: ["pull"] }]],
    ["both a repository and the catalog", [{ repository: "acme/app", actions: ["pull"], catalog: true }]],
    ["no catalog", [{ catalog: false }]],
    ["nothing", [{}]],
    ["null", [null]],
    [
      "one repository twice",
      [
        { repository: "acme/app", actions: ["pull"] },
        { repository: "acme/app", actions: ["push"] },
      ],
    ],
    ["the catalog twice", [{ catalog: true }, { catalog: true }]],
    ["an object", {}],
  ])("may not have %s, and then stay as they were", async (_, wanted) => {
    const before = (await berth.api("PUT", grants, [{ repository: "acme/kept", actions: ["pull"] }])).body;
    expectProblem(await berth.api("PUT", grants, wanted), 400, "invalid");
    expect((await berth.api("GET", grants)).body).toEqual(before);
  });
});
