import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { makePrincipal, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  for (const name of ["acme", "beta", "constructor"]) await berth.api("POST", "/organization/", { name });
});

afterAll(() => berth.remove());

const api = (...call: Parameters<TestBerth["api"]>) => berth.api(...call);
const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const plain = { description: "", kind: "service", super_user: false, roles: {} };

async function make(name: string, given: object = {}) {
  const answer = await api("POST", "/principals", { name, ...given });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body;
}

const pathsOf = ({ body }: { body: { errors: { path: unknown[] }[] } }) => body.errors.map(({ path }) => path);

describe("principals", () => {
  it("are made, read, changed and deleted, each on the record", async () => {
    const made = await api("POST", "/principals", { name: "terraform" });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({ name: "terraform", ...plain, created: instant });
    expect((await api("GET", "/principals/terraform")).body).toEqual(made.body);

    const given = { description: "the platform team's", super_user: "read_only", roles: { beta: "member" } };
    const changed = await api("PATCH", "/principals/terraform", given);
    expect(changed.status).toBe(200);
    expect(changed.body).toEqual({ ...made.body, ...given });
    expect((await api("GET", "/principals/terraform")).body).toEqual(changed.body);

    expect((await api("DELETE", "/principals/terraform")).status).toBe(204);
    for (const method of ["GET", "DELETE"]) {
      expectProblem(await api(method, "/principals/terraform"), 404, "not_found");
    }
    const { logs: all } = (await api("GET", "/logs?limit=10")).body;
    const logs = all.filter(({ kind }: { kind: string }) => kind.endsWith("_principal")).slice(0, 3);
    expect(logs).toMatchObject([
      { kind: "delete_principal", before: { name: "terraform", ...given }, after: null },
      {
        kind: "change_principal",
        before: { description: "", super_user: false, roles: {} },
        after: given,
        metadata: { principal: "terraform" },
      },
      { kind: "create_principal", before: null, after: { name: "terraform", ...plain } },
    ]);
    for (const log of logs) expect(log.performer.name).toBe("admin");
  });

  it("are listed by name, page by page", async () => {
    for (const name of ["list-b", "list-a", "list-c"]) await make(name, { roles: { acme: "reader" } });
    const { body } = await api("GET", "/principals");
    const names = body.principals.map(({ name }: { name: string }) => name);
    expect(names).toEqual(names.toSorted());
    expect(names).toEqual(expect.arrayContaining(["admin", "list-a", "list-b", "list-c"]));

    const paged: unknown[] = [];
    let next = "";
    do {
      const page = (await api("GET", `/principals?limit=2${next && `&next_page=${next}`}`)).body;
      paged.push(...page.principals);
      next = page.next_page ?? "";
    } while (next);
    expect(paged).toEqual(body.principals);
    expectProblem(await api("GET", "/principals?limit=0"), 400, "invalid");
  });

  it("have names as organizations have, and one each", async () => {
    for (const name of ["", "a", "Acme", "a b", "acme+ci", "-a", "a..b", "ü-1", "a".repeat(256), "a\u0000b"]) {
      const refused = await api("POST", "/principals", { name });
      expectProblem(refused, 400, "invalid");
      expect(pathsOf(refused), name).toContainEqual(["name"]);
    }
    await make("a".repeat(255));
    await make("constructor");
    expect((await api("GET", "/principals/constructor")).body.name).toBe("constructor");
    expect(expectProblem(await api("POST", "/principals", { name: "constructor" }), 409, "conflict")).toContain(
      "constructor exists already",
    );
    expectProblem(await api("GET", "/principals/%20"), 404, "not_found");
  });

  it("are services, since people come by other ways", async () => {
    expect((await make("of-a-kind", { kind: "service" })).kind).toBe("service");
    for (const kind of ["user", "robot", null, ""]) {
      const refused = await api("POST", "/principals", { name: "other-kind", kind });
      expectProblem(refused, 400, "invalid");
      expect(pathsOf(refused)).toEqual([["kind"]]);
    }
    expectProblem(await api("PATCH", "/principals/of-a-kind", { kind: "service" }), 400, "invalid");
    expectProblem(await api("PATCH", "/principals/of-a-kind", { name: "renamed" }), 400, "invalid");
  });

  it.each([
    ["super_user", [null, "true", "read-only", 1, "admin"]],
    ["description", [null, 1, "a\u0007b", "x".repeat(1025)]],
    ["roles", [null, [], "admin", 1]],
  ])("say what is wrong with %s", async (member, values) => {
    await make(`wrong-${member.replace("_", "-")}`);
    for (const value of values) {
      const refused = await api("PATCH", `/principals/wrong-${member.replace("_", "-")}`, { [member]: value });
      expectProblem(refused, 400, "invalid");
      expect(pathsOf(refused).map(([first]) => first)).toEqual([member]);
    }
  });

  it("take no member that they do not know, since a typo could widen what somebody may", async () => {
    for (const typo of [{ superuser: false }, { role: { acme: "reader" } }, { super_users: true }]) {
      expectProblem(await api("POST", "/principals", { name: "typo", ...typo }), 400, "invalid");
    }
    expectProblem(await api("GET", "/principals/typo"), 404, "not_found");
    await make("typo");
    expectProblem(await api("PATCH", "/principals/typo", { super_user: false, organization: "acme" }), 400, "invalid");
  });

  it("tell every problem at once", async () => {
    const refused = await api("POST", "/principals", { name: 1, super_user: "yes", roles: { acme: "owner" } });
    expectProblem(refused, 400, "invalid");
    expect(pathsOf(refused)).toEqual([["super_user"], ["roles", "acme"], ["name"]]);
  });
});

describe("the roles of a principal", () => {
  it("are given by organization, and put in the place of all others", async () => {
    const roles = { acme: "admin", beta: "reader", constructor: "member" };
    expect((await make("roles", { roles })).roles).toEqual(roles);
    const patch = async (given: object) => (await api("PATCH", "/principals/roles", given)).body.roles;
    expect(await patch({ description: "as before" })).toEqual(roles);
    expect(await patch({ roles: { beta: "admin" } })).toEqual({ beta: "admin" });
    expect(await patch({ roles: {} })).toEqual({});
    expect((await api("GET", "/organization/acme/members")).body.members).not.toContainEqual(
      expect.objectContaining({ name: "roles" }),
    );
  });

  it("are none in what is no organization, of which each is named", async () => {
    await api("POST", "/organization/", { name: "deleted-once" });
    await api("DELETE", "/organization/deleted-once");
    await make("nowhere", { roles: { acme: "reader" } });
    const roles = { acme: "admin", nothing: "reader", "deleted-once": "reader", "": "reader", "a b": "admin" };
    for (const refused of [
      await api("POST", "/principals", { name: "nowhere-new", roles }),
      await api("PATCH", "/principals/nowhere", { description: "changed", roles }),
    ]) {
      expectProblem(refused, 400, "invalid");
      expect(pathsOf(refused).toSorted()).toEqual([
        ["roles", ""],
        ["roles", "a b"],
        ["roles", "deleted-once"],
        ["roles", "nothing"],
      ]);
    }
    expectProblem(await api("GET", "/principals/nowhere-new"), 404, "not_found");
    expect((await api("GET", "/principals/nowhere")).body).toMatchObject({
      description: "",
      roles: { acme: "reader" },
    });
  });

  it("go with the organization, and do not come back with its name", async () => {
    await api("POST", "/organization/", { name: "gone" });
    await make("orphan", { roles: { acme: "reader", gone: "admin" } });
    await api("DELETE", "/organization/gone");
    expect((await api("GET", "/principals/orphan")).body.roles).toEqual({ acme: "reader" });
    await api("DELETE", "/deleted-organizations/gone");
    await api("POST", "/organization/", { name: "gone" });
    expect((await api("GET", "/principals/orphan")).body.roles).toEqual({ acme: "reader" });
    expect((await api("GET", "/organization/gone/members")).body.members).toEqual([]);
  });

  it("hold at once for the tokens that there are", async () => {
    const { api: ask } = await makePrincipal(berth, "at-once", { roles: { acme: "reader" } });
    const create = async (robot: string) => (await ask("PUT", `/organization/acme/robots/${robot}`, {})).status;
    expect(await create("at-once-1")).toBe(403);
    await api("PATCH", "/principals/at-once", { roles: { acme: "member" } });
    expect(await create("at-once-1")).toBe(201);
    await api("PATCH", "/principals/at-once", { roles: {} });
    expect(await create("at-once-2")).toBe(404);
    await api("PATCH", "/principals/at-once", { super_user: "read_only" });
    expect(await create("at-once-2")).toBe(403);
    await api("PATCH", "/principals/at-once", { super_user: true });
    expect(await create("at-once-2")).toBe(201);
    await api("DELETE", "/principals/at-once");
    expect(await create("at-once-3")).toBe(401);
  });
});

describe("a principal", () => {
  it("sees itself and its tokens, and nobody else's", async () => {
    const [anna, bert] = [
      await makePrincipal(berth, "anna", { roles: { acme: "admin" } }),
      await makePrincipal(berth, "bert", { roles: { acme: "admin" } }),
    ];
    expect((await anna.api("GET", "/principals/anna")).body).toMatchObject({ name: "anna", roles: { acme: "admin" } });
    expect((await anna.api("GET", "/principals/anna/tokens")).body.tokens).toHaveLength(1);
    for (const [name, rest] of [
      ["bert", ""],
      ["bert", "/tokens"],
      ["admin", ""],
    ]) {
      const hidden = expectProblem(await anna.api("GET", `/principals/${name}${rest}`), 404, "not_found");
      const absent = expectProblem(await anna.api("GET", `/principals/nobody${rest}`), 404, "not_found");
      expect(hidden).toBe(absent.replace("nobody", `${name}`));
    }
    expectProblem(await anna.api("GET", "/principals"), 403, "forbidden");
    const { tokens } = (await bert.api("GET", "/principals/bert/tokens")).body;
    expectProblem(await anna.api("DELETE", `/principals/bert/tokens/${tokens[0].id}`), 404, "not_found");
    expectProblem(await anna.api("POST", "/principals/bert/tokens", { name: "mine" }), 404, "not_found");
    expectProblem(await anna.api("DELETE", `/principals/anna/tokens/${tokens[0].id}`), 404, "not_found");
    expect((await bert.api("GET", "/user")).status).toBe(200);
  });

  it("renews its own token, and makes itself no more than it is", async () => {
    const carl = await makePrincipal(berth, "carl", { roles: { acme: "member" } });
    const renewed = await carl.api("POST", "/principals/carl/tokens", { name: "next" });
    expect(renewed.status).toBe(201);
    const { tokens } = (await carl.api("GET", "/principals/carl/tokens")).body;
    const old = tokens.find(({ name }: { name: string }) => name === "test");
    expect((await carl.api("DELETE", `/principals/carl/tokens/${old.id}`)).status).toBe(204);
    expect((await carl.api("GET", "/user")).status).toBe(401);
    const ask = managementBy(berth, renewed.body.token);
    for (const given of [{ super_user: true }, { roles: { acme: "admin" } }, { description: "x" }]) {
      expectProblem(await ask("PATCH", "/principals/carl", given), 403, "forbidden");
    }
    expectProblem(await ask("DELETE", "/principals/carl"), 403, "forbidden");
  });

  it("made anew under a deleted one's name inherits neither its roles, its tokens nor its robots", async () => {
    const dora = await makePrincipal(berth, "dora", { roles: { acme: "member" } });
    await dora.api("PUT", "/organization/acme/robots/doras", {});
    expect((await dora.api("PATCH", "/organization/acme/robots/doras", { description: "mine" })).status).toBe(200);
    await api("DELETE", "/principals/dora");

    const again = await makePrincipal(berth, "dora");
    expect((await dora.api("GET", "/user")).status).toBe(401);
    expect((await again.api("GET", "/user")).body).toMatchObject({ username: "dora", organizations: [] });
    expectProblem(await again.api("GET", "/organization/acme/robots/doras"), 404, "not_found");
    await api("PUT", "/organization/acme/members/dora", { role: "member" });
    const robot = "/organization/acme/robots/doras";
    expect((await again.api("GET", robot)).body.created_by).toBe("dora");
    expectProblem(await again.api("PATCH", robot, { description: "mine again" }), 403, "forbidden");
    expectProblem(await again.api("POST", `${robot}/regenerate`, {}), 403, "forbidden");
    expectProblem(await again.api("DELETE", robot), 403, "forbidden");
  });
});
