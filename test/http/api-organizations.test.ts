import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);

describe("organizations", () => {
  it("are created, read, changed and deleted", async () => {
    const created = await berth.api("POST", "/organization/", { name: "acme", email: "ops@acme.example" });
    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      name: "acme",
      email: "ops@acme.example",
      audiences: null,
      clients: null,
      robot_tokens: "on_request",
      anonymous_pull: [],
      repository_prefixes: [],
      created: instant,
    });

    const changed = await berth.api("PATCH", "/organization/acme", { audiences: ["acme"] });
    expect(changed.status).toBe(200);
    expect(changed.body).toEqual({ ...created.body, audiences: ["acme"] });
    const changedByPut = await berth.api("PUT", "/organization/acme", { email: null });
    expect(changedByPut.body).toEqual({ ...created.body, email: null, audiences: ["acme"] });
    expect((await berth.api("GET", "/organization/acme")).body).toEqual(changedByPut.body);

    const deleted = await berth.api("DELETE", "/organization/acme");
    expect([deleted.status, deleted.body]).toEqual([204, ""]);
    expectProblem(await berth.api("GET", "/organization/acme"), 404, "not_found");
  });

  it.each(["/organization", "/organization/"])("are listed at %s, page by page", async (path) => {
    for (const name of ["page-a", "page-b", "page-c"]) await berth.api("POST", "/organization/", { name });
    const names: string[] = [];
    for (let next = ""; ; ) {
      const { body } = await berth.api("GET", `${path}?limit=2${next}`);
      expect(body.organizations.length).toBeLessThanOrEqual(2);
      names.push(...body.organizations.map(({ name }: { name: string }) => name));
      if (!body.next_page) break;
      next = `&next_page=${body.next_page}`;
    }
    expect(names).toEqual(expect.arrayContaining(["page-a", "page-b", "page-c"]));
    expect(new Set(names).size).toBe(names.length);
  });

  it("keep their names when they are deleted: nobody else gets one whose images are still there", async () => {
    await berth.createRobot("gone+ci", {});
    await berth.api("DELETE", "/organization/gone");
    const again = await berth.api("POST", "/organization/", { name: "gone" });
    expect(again.status).toBe(400);
    expect(expectProblem(again, 400, "already_exists")).toContain("gone");
    expectProblem(await berth.api("GET", "/organization/gone/robots/ci"), 404, "not_found");
    expectProblem(await berth.api("DELETE", "/organization/gone"), 404, "not_found");
    expectProblem(await berth.api("PUT", "/organization/gone/robots/ci", {}), 404, "not_found");
  });

  it.each(["", "a", "Acme", "ac me", "-acme", "acme/x", "acme+ci", "a".repeat(256), "a".repeat(5000)])(
    "are not named %j",
    async (name) => {
      const answer = await berth.api("POST", "/organization/", { name });
      expectProblem(answer, 400, "invalid");
      expect(answer.body.errors[0].path).toEqual(["name"]);
    },
  );

  it.each([{}, { name: 1 }, { name: null }, { name: ["acme"] }, { email: "a@b.example" }, [], null, "acme", 1])(
    "are not made of %j",
    async (body) => {
      expectProblem(await berth.api("POST", "/organization/", body), 400, "invalid");
    },
  );

  it("ignore what they do not know", async () => {
    const { status, body } = await berth.api("POST", "/organization/", {
      name: "tolerant",
      recaptcha_response: "x",
      id: 7,
    });
    expect(status).toBe(201);
    expect(body).not.toHaveProperty("id");
  });

  it.each([
    { audiences: [""] },
    { audiences: "a" },
    { audiences: Array(17).fill("a") },
    { clients: [1] },
    { email: 1 },
  ])("are not changed to %j", async (change) => {
    await berth.api("POST", "/organization/", { name: "steady" });
    expectProblem(await berth.api("PATCH", "/organization/steady", change), 400, "invalid");
    expect((await berth.api("GET", "/organization/steady")).body).toMatchObject({ email: null, audiences: null });
  });

  it("say who a token was meant for: no audience will do only where a client is named", async () => {
    await berth.api("POST", "/organization/", { name: "meant" });
    expectProblem(await berth.api("PATCH", "/organization/meant", { audiences: [] }), 400, "invalid");
    expect((await berth.api("PATCH", "/organization/meant", { audiences: [], clients: ["ci"] })).status).toBe(200);
    expectProblem(await berth.api("PATCH", "/organization/meant", { clients: [] }), 400, "invalid");
  });
});

describe("the principal", () => {
  it.each(["/user", "/user/"])("is told at %s", async (path) => {
    const { status, body } = await berth.api("GET", path);
    expect(status).toBe(200);
    expect(body).toMatchObject({ username: "admin", super_user: true, anonymous: false });
  });
});

describe("the audit log of what was managed", () => {
  it("says who did what, newest first, and can be searched", async () => {
    await berth.createRobot("audited+ci", { federation: [{ issuer: "https://ci.example", subject: "x" }], grants: [] });
    await berth.api("DELETE", "/organization/audited/robots/ci");
    const { body } = await berth.api("GET", "/organization/audited/logs");
    const kinds = body.logs.map(({ kind }: { kind: string }) => kind);
    expect(kinds).toEqual([
      "delete_robot",
      "change_robot_grants",
      "create_robot_federation",
      "create_robot",
      "org_create",
    ]);
    for (const record of body.logs) {
      expect(record).toMatchObject({
        datetime: instant,
        organization: "audited",
        performer: { name: "admin" },
        outcome: "success",
        ip: "127.0.0.1",
      });
    }
    const found = await berth.api("GET", "/logs?robot=audited%2Bci&kind=create_robot");
    expect(found.body.logs).toHaveLength(1);
    const [{ datetime }] = found.body.logs;
    expect((await berth.api("GET", `/organization/audited/logs?endtime=${datetime}`)).body.logs).toHaveLength(1);
    expect((await berth.api("GET", `/organization/audited/logs?starttime=${datetime}`)).body.logs).toHaveLength(4);
  });

  it("is read page by page, each record once", async () => {
    for (const name of ["paged-a", "paged-b", "paged-c"]) await berth.api("POST", "/organization/", { name });
    const ids: string[] = [];
    for (let next = ""; ; ) {
      const { body } = await berth.api("GET", `/logs?limit=2&kind=org_create${next}`);
      ids.push(...body.logs.map(({ id }: { id: string }) => id));
      if (!body.next_page) break;
      next = `&next_page=${body.next_page}`;
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(ids.toSorted().reverse());
  });

  it("leaves out what was refused before it was done", async () => {
    const before = (await berth.api("GET", "/logs?limit=1")).body.logs[0].id;
    await berth.api("POST", "/organization/", { name: "UPPER" });
    await berth.api("PATCH", "/organization/none", {});
    expect((await berth.api("GET", "/logs?limit=1")).body.logs[0].id).toBe(before);
  });
});
