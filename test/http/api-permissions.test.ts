import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  for (const name of ["acme+ci", "acme+cd", "other+ci"]) await berth.createRobot(name);
  const settings = { repository_prefixes: ["legacy", "old/*"], anonymous_pull: [{ repository: "acme/public/*" }] };
  await berth.api("PATCH", "/organization/acme", settings);
});

afterAll(() => berth.remove());

const grantsOf = (robot: string) => `/organization/${robot.replace("+", "/robots/")}/grants`;
const setGrants = (robot: string, grants: object[]) => berth.api("PUT", grantsOf(robot), grants);
const of = (repository: string, user = "acme+ci") => `/repository/${repository}/permissions/user/${user}`;
const put = (repository: string, role: unknown, user?: string) => berth.api("PUT", of(repository, user), { role });
const permission = (role: string, name = "acme+ci") => ({ role, name, is_robot: true, is_org_member: true });

beforeEach(async () => {
  for (const robot of ["acme+ci", "acme+cd", "other+ci"]) await setGrants(robot, []);
});

describe("a robot's permission on a repository", () => {
  it.each([
    ["read", ["pull"]],
    ["write", ["pull", "push"]],
    ["admin", ["pull", "push", "delete"]],
  ])("as %s is a grant of %j", async (role, actions) => {
    const answer = await put("acme/app", role);
    expect([answer.status, answer.body]).toEqual([200, permission(role)]);
    expect((await berth.api("GET", of("acme/app"))).body).toEqual(permission(role));
    expect((await berth.api("GET", grantsOf("acme+ci"))).body).toEqual([
      { registry: berth.host, repository: "acme/app", actions },
    ]);
  });

  it("is put in the place of the one before, and every other grant stays where it is", async () => {
    const others = [
      { repository: "acme/*", actions: ["pull"] },
      { repository: "acme/app", actions: ["push"] },
      { repository: "acme/app/sub", actions: ["pull"] },
    ];
    const told = others.map((grant) => ({ registry: berth.host, ...grant }));
    await setGrants("acme+ci", others);
    await put("acme/app", "admin");
    const [first, , last] = told;
    const admin = { registry: berth.host, repository: "acme/app", actions: ["pull", "push", "delete"] };
    expect((await berth.api("GET", grantsOf("acme+ci"))).body).toEqual([first, admin, last]);
    expect((await berth.api("DELETE", of("acme/app"))).status).toBe(204);
    await put("acme/new", "read");
    const added = { registry: berth.host, repository: "acme/new", actions: ["pull"] };
    expect((await berth.api("GET", grantsOf("acme+ci"))).body).toEqual([first, last, added]);
  });

  it.each(["acme/a/b/c", "acme%2Fapp", "legacy", "legacy/x", "old/x", "acme/permissions/user", "acme/user/acme"])(
    "has its repository in the path: %s",
    async (repository) => {
      const name = decodeURIComponent(repository);
      expect((await put(repository, "write")).status).toBe(200);
      expect((await berth.api("GET", grantsOf("acme+ci"))).body).toMatchObject([{ repository: name }]);
      for (const user of ["acme+ci", "acme%2Bci", "acme%20ci", "acme+ci/"]) {
        expect((await berth.api("GET", of(repository, user))).body).toEqual(permission("write"));
      }
      for (const end of ["", "/"]) {
        const { body } = await berth.api("GET", `/repository/${repository}/permissions/user${end}`);
        expect(body).toEqual({ permissions: { "acme+ci": permission("write") } });
      }
      expect((await berth.api("DELETE", of(repository, "acme%2Bci"))).status).toBe(204);
      expectProblem(await berth.api("GET", of(repository)), 404, "not_found");
      expectProblem(await berth.api("DELETE", of(repository)), 404, "not_found");
    },
  );

  it("is recorded when it changes", async () => {
    await put("acme/app", "read");
    await berth.api("DELETE", of("acme/app"));
    const { logs } = (await berth.api("GET", "/organization/acme/logs?limit=2")).body;
    expect(logs).toMatchObject([
      { kind: "delete_repo_permission", robot: "acme+ci", metadata: { repository: "acme/app" } },
      { kind: "change_repo_permission", robot: "acme+ci", metadata: { repository: "acme/app", role: "read" } },
    ]);
  });

  it("shows the greatest role that a grant contains, and none where it cannot pull", async () => {
    await setGrants("acme+ci", [
      { repository: "acme/more", actions: ["pull", "delete"] },
      { repository: "acme/push", actions: ["push"] },
    ]);
    expect((await berth.api("GET", of("acme/more"))).body).toEqual(permission("read"));
    expectProblem(await berth.api("GET", of("acme/push")), 404, "not_found");
    expect((await berth.api("GET", "/repository/acme/push/permissions/user/")).body).toEqual({ permissions: {} });
    expect((await berth.api("DELETE", of("acme/push"))).status).toBe(204);
    expect((await berth.api("GET", grantsOf("acme+ci"))).body).toHaveLength(1);
  });

  it("is not what it holds by a prefix", async () => {
    await setGrants("acme+ci", [{ repository: "acme/*", actions: ["pull"] }]);
    expectProblem(await berth.api("GET", of("acme/app")), 404, "not_found");
    expect((await berth.api("GET", "/organization/acme/robots/ci/permissions")).body).toEqual({ permissions: [] });
  });

  it("does not go past what a robot may hold", async () => {
    const full = Array.from({ length: 500 }, (_, index) => ({ repository: `acme/r${index}`, actions: ["pull"] }));
    await setGrants("acme+ci", full);
    expectProblem(await put("acme/app", "read"), 409, "conflict");
    expect((await put("acme/r1", "admin")).status).toBe(200);
    expect((await berth.api("GET", grantsOf("acme+ci"))).body).toHaveLength(500);
  });
});

describe("a permission is 404", () => {
  it.each(["other/app", "acme", "old", "legacy2", "acme/*", "*", "acme/UP", "acme//x", "acme/a%00b", "acme/%ff"])(
    "on %s, which is not the organization's own repository",
    async (repository) => {
      const isText = !/%(00|ff)/.test(repository);
      for (const answer of [
        await put(repository, "read"),
        await berth.api("GET", of(repository)),
        await berth.api("DELETE", of(repository)),
      ]) {
        expectProblem(answer, isText ? 404 : 400, isText ? "not_found" : "invalid");
      }
      expect((await berth.api("GET", grantsOf("acme+ci"))).body).toEqual([]);
    },
  );

  it.each(["acme", "admin", "acme+none", "none+ci", "other+ci", "ACME+ci", "+", "acme+ci+x", "%20"])(
    "of %s, who is no robot of that organization",
    async (user) => {
      expectProblem(await put("acme/app", "read", user), 404, "not_found");
      expectProblem(await berth.api("GET", of("acme/app", user)), 404, "not_found");
    },
  );

  it("in a list for a repository that is nobody's own", async () => {
    for (const repository of ["none/app", "acme", "acme/UP", "*"]) {
      expectProblem(await berth.api("GET", `/repository/${repository}/permissions/user/`), 404, "not_found");
    }
  });
});

it.each(["owner", "", null, 1, ["read"], undefined])("a role is not %j", async (role) => {
  expectProblem(await put("acme/app", role), 400, "invalid");
});

describe("the lists", () => {
  it("of a repository has everybody with a role on exactly it, whose own it is", async () => {
    await put("acme/app", "read");
    await put("acme/app", "admin", "acme+cd");
    await put("acme/app2", "admin");
    await setGrants("other+ci", [{ repository: "acme/app", actions: ["pull"] }]);
    expect((await berth.api("GET", "/repository/acme/app/permissions/user/")).body).toEqual({
      permissions: { "acme+cd": permission("admin", "acme+cd"), "acme+ci": permission("read") },
    });
    expectProblem(await berth.api("GET", of("acme/app", "other+ci")), 404, "not_found");
  });

  it("of a robot has its repositories by name, and says which anybody may pull", async () => {
    await setGrants("acme+ci", [
      { repository: "legacy/x", actions: ["pull"] },
      { repository: "acme/public/b", actions: ["pull", "push"] },
      { repository: "acme/a", actions: ["pull", "push", "delete"] },
      { repository: "other/app", actions: ["pull"] },
      { repository: "*", actions: ["pull"] },
      { repository: "acme/pushed", actions: ["push"] },
      { catalog: true },
    ]);
    const entry = (name: string, full_name: string, is_public: boolean, role: string) => ({
      repository: { name, full_name, is_public },
      role,
    });
    for (const end of ["", "/"]) {
      expect((await berth.api("GET", `/organization/acme/robots/ci/permissions${end}`)).body).toEqual({
        permissions: [
          entry("a", "acme/a", false, "admin"),
          entry("public/b", "acme/public/b", true, "write"),
          entry("legacy/x", "legacy/x", false, "read"),
        ],
      });
    }
    expectProblem(await berth.api("GET", "/organization/acme/robots/none/permissions"), 404, "not_found");
  });
});

describe("a permission is of the default registry alone", () => {
  const registry = "images.example";
  beforeAll(async () => {
    await berth.api("POST", "/registries", { service: registry });
  });

  it("and grants on another are neither seen nor touched", async () => {
    const elsewhere = [{ registry, repository: "acme/app", actions: ["pull"] }];
    await setGrants("acme+ci", elsewhere);
    expectProblem(await berth.api("GET", of("acme/app")), 404, "not_found");
    expectProblem(await berth.api("DELETE", of("acme/app")), 404, "not_found");
    expect((await berth.api("GET", "/organization/acme/robots/ci/permissions")).body).toEqual({ permissions: [] });
    expect((await berth.api("GET", "/repository/acme/app/permissions/user/")).body).toEqual({ permissions: {} });
    await put("acme/app", "write");
    expect((await berth.api("GET", grantsOf("acme+ci"))).body).toEqual([
      ...elsewhere,
      { registry: berth.host, repository: "acme/app", actions: ["pull", "push"] },
    ]);
  });

  it("and so is what anybody may pull, as permissions tell it", async () => {
    await berth.createRobot("open+ci", { grants: [{ repository: "open/app", actions: ["pull"] }] });
    const isPublic = async () =>
      (await berth.api("GET", "/organization/open/robots/ci/permissions")).body.permissions[0].repository.is_public;
    const open = (given: object) =>
      berth.api("PATCH", "/organization/open", { anonymous_pull: [{ repository: "open/*", ...given }] });
    await open({ registry });
    expect(await isPublic()).toBe(false);
    await open({});
    expect(await isPublic()).toBe(true);
  });

  it("and a grant of the catalog is no repository's of that name", async () => {
    await berth.createRobot("names+ci", { grants: [{ catalog: true }] });
    await berth.api("PATCH", "/organization/names", { repository_prefixes: ["catalog"] });
    expectProblem(await berth.api("GET", of("catalog", "names+ci")), 404, "not_found");
    expectProblem(await berth.api("DELETE", of("catalog", "names+ci")), 404, "not_found");
    expect((await berth.api("GET", "/repository/catalog/permissions/user/")).body).toEqual({ permissions: {} });
    expect((await berth.api("GET", "/organization/names/robots/ci/permissions")).body).toEqual({ permissions: [] });
  });
});
