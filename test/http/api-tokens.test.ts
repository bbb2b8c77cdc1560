import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { makePrincipal, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  for (const name of ["acme", "beta"]) await berth.api("POST", "/organization/", { name });
  await berth.api("PUT", "/organization/acme/robots/ci", {});
});

afterAll(() => berth.remove());

const api = (...call: Parameters<TestBerth["api"]>) => berth.api(...call);
const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const later = (seconds: number) => new Date(berth.clock.now() + seconds * 1000).toISOString();
const list = async (name: string) => (await api("GET", `/principals/${name}/tokens`)).body.tokens;

let made = 0;

/** A principal without a token, and what makes some. */
async function principal(given: object = {}) {
  made += 1;
  const name = `principal-${made}`;
  expect((await api("POST", "/principals", { name, ...given })).status).toBe(201);
  return { name, post: (body: unknown) => api("POST", `/principals/${name}/tokens`, body) };
}

/** What somebody is told who brings a token. */
const by = (answer: { body: { token: string } }) => managementBy(berth, answer.body.token);

describe("an API token", () => {
  it("is shown once, in an answer that nobody stores", async () => {
    const { name, post } = await principal({ roles: { acme: "reader" } });
    const answer = await post({ name: "laptop" });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const shown = {
      id: expect.stringMatching(/^[\w-]{36}$/),
      name: "laptop",
      read_only: false,
      organizations: null,
      expires_at: null,
      created: instant,
      created_by: "admin",
      last_used: null,
    };
    expect(answer.body).toEqual({ ...shown, token: expect.stringMatching(/^berth_api_[\w-]{40,}$/) });
    expect(await list(name)).toEqual([{ ...answer.body, token: null }]);
    expect((await by(answer)("GET", "/user")).body).toMatchObject({
      username: name,
      token: { read_only: false, organizations: null, expires_at: null },
    });
  });

  it("is one of several, by name", async () => {
    const { name, post } = await principal();
    for (const token of ["b", "a", "Übung 1", "c+d/e"]) expect((await post({ name: token })).status).toBe(201);
    expect(expectProblem(await post({ name: "a" }), 409, "conflict")).toContain("a token of that name");
    const names = (await list(name)).map((token: { name: string }) => token.name);
    expect(names.toSorted()).toEqual(["a", "b", "c+d/e", "Übung 1"].toSorted());
    const other = await principal();
    expect((await other.post({ name: "a" })).status).toBe(201);
  });

  it("is one of fifty at most", async () => {
    const { name, post } = await principal();
    for (let index = 0; index < 50; index += 1) expect((await post({ name: `t${index}` })).status).toBe(201);
    expect(expectProblem(await post({ name: "more" }), 409, "conflict")).toContain("end some");
    expect(await list(name)).toHaveLength(50);
  });

  it.each([
    ["no name", {}, ["name"]],
    ["an empty name", { name: "" }, ["name"]],
    ["a long name", { name: "x".repeat(101) }, ["name"]],
    ["a name on two lines", { name: "a\nb" }, ["name"]],
    ["no organization at all", { organizations: [] }, ["organizations"]],
    ["an unknown organization", { organizations: ["acme", "nothing"] }, ["organizations", 1]],
    ["organizations that are none", { organizations: "acme" }, ["organizations"]],
    ["a flag in words", { read_only: "true" }, ["read_only"]],
    ["an expiry in the past", { expires_at: "2020-01-01T00:00:00Z" }, ["expires_at"]],
    ["an expiry without an offset", { expires_at: "2099-01-01T00:00:00" }, ["expires_at"]],
    ["an expiry on no day", { expires_at: "2099-02-30T00:00:00Z" }, ["expires_at"]],
  ])("is refused with %s", async (_, given, path) => {
    const { name, post } = await principal();
    const refused = await post("name" in given || path[0] === "name" ? given : { name: "refused", ...given });
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors.map((one: { path: unknown }) => one.path)).toEqual([path]);
    expect(await list(name)).toEqual([]);
  });

  it("is refused with a member that nobody knows: a typo must not widen it", async () => {
    const { name, post } = await principal();
    for (const typo of [{ readonly: true }, { organisations: ["acme"] }, { expires: later(60) }, { expires_in: 60 }]) {
      expectProblem(await post({ name: "typo", ...typo }), 400, "invalid");
    }
    expect(await list(name)).toEqual([]);
  });

  it("is made for nobody who is not there", async () => {
    expectProblem(await api("POST", "/principals/nobody/tokens", { name: "a" }), 404, "not_found");
    expectProblem(await api("GET", "/principals/nobody/tokens"), 404, "not_found");
    const { name } = await principal();
    expectProblem(await api("DELETE", `/principals/${name}/tokens/${crypto.randomUUID()}`), 404, "not_found");
    expectProblem(await api("DELETE", `/principals/${name}/tokens/bootstrap`), 400, "invalid");
  });
});

describe("a narrowed API token", () => {
  const robot = "/organization/acme/robots/ci";

  it.each([
    ["a superuser", { super_user: true }],
    ["an admin of both", { roles: { acme: "admin", beta: "admin" } }],
  ])("of %s that only reads changes nothing", async (_, given) => {
    const { name, post } = await principal(given);
    const ask = by(await post({ name: "reads", read_only: true }));
    expect((await ask("GET", "/user")).body).toMatchObject({
      super_user: false,
      global_readonly_super_user: "super_user" in given,
      token: { read_only: true },
    });
    expect((await ask("GET", robot)).status).toBe(200);
    for (const [method, path, body] of [
      ["PUT", "/organization/acme/robots/new", {}],
      ["PATCH", robot, { description: "changed" }],
      ["DELETE", robot],
      ["PUT", `${robot}/grants`, []],
      ["PUT", "/organization/acme/state", {}],
      ["POST", `/principals/${name}/tokens`, { name: "next", read_only: true }],
      ["PATCH", `/principals/${name}`, { description: "changed" }],
    ] as const) {
      expectProblem(await ask(method, path, body), 403, "forbidden");
    }
  });

  it.each([
    ["a superuser", { super_user: true }, "admin"],
    ["a read-only superuser", { super_user: "read_only" }, "reader"],
    ["a member of both", { roles: { acme: "member", beta: "admin" } }, "member"],
  ])("of %s for one organization is good for nothing else", async (_, given, role) => {
    const { post } = await principal(given);
    const ask = by(await post({ name: "acme", organizations: ["acme", "acme"] }));
    expect((await ask("GET", "/user")).body).toMatchObject({
      super_user: false,
      global_readonly_super_user: false,
      organizations: [{ name: "acme", role }],
      token: { organizations: ["acme"] },
    });
    expect((await ask("GET", "/organization/")).body.organizations).toMatchObject([{ name: "acme" }]);
    expectProblem(await ask("GET", "/organization/beta"), 404, "not_found");
    for (const path of ["/principals", "/issuers", "/registries", "/logs", "/state", "/bindings"]) {
      expectProblem(await ask("GET", path), 403, "forbidden");
    }
    const created = await ask("PUT", `/organization/acme/robots/by-${role}`, {});
    expect(created.status).toBe(role === "reader" ? 403 : 201);
  });

  it("both ways reads that organization", async () => {
    const { post } = await principal({ super_user: true });
    const ask = by(await post({ name: "both", read_only: true, organizations: ["beta"] }));
    expect((await ask("GET", "/organization/beta")).status).toBe(200);
    expectProblem(await ask("PATCH", "/organization/beta", { email: null }), 403, "forbidden");
    expectProblem(await ask("GET", "/organization/acme"), 404, "not_found");
  });

  it("for an organization that is deleted is good for nothing, and not for the next of that name", async () => {
    await api("POST", "/organization/", { name: "short" });
    const { name, post } = await principal({ super_user: true });
    const ask = by(await post({ name: "short", organizations: ["short"] }));
    await api("DELETE", "/organization/short");
    await api("DELETE", "/deleted-organizations/short");
    await api("POST", "/organization/", { name: "short" });
    expectProblem(await ask("GET", "/organization/short"), 404, "not_found");
    expect((await ask("GET", "/user")).body).toMatchObject({ organizations: [], token: { organizations: [] } });
    expect((await list(name))[0].organizations).toEqual([]);
  });
});

describe("the time of an API token", () => {
  it("ends when it says, and it tells so", async () => {
    const { name, post } = await principal({ roles: { acme: "reader" } });
    const answer = await post({ name: "short", expires_at: later(120) });
    expect(answer.body.expires_at).toMatch(/Z$/);
    const ask = by(answer);
    expect((await ask("GET", "/user")).body.token.expires_at).toBe(answer.body.expires_at);
    berth.clock.advance(119);
    expect((await ask("GET", "/user")).status).toBe(200);
    berth.clock.advance(2);
    expect(expectProblem(await ask("GET", "/user"), 401, "unauthenticated")).toContain(answer.body.expires_at);
    expect(await list(name)).toHaveLength(1);
  });

  it("is told in whatever offset, and kept in one", async () => {
    const { post } = await principal();
    const answer = await post({ name: "offset", expires_at: "2099-06-01T12:00:00.123456+02:00" });
    expect(answer.body.expires_at).toBe("2099-06-01T10:00:00.123Z");
  });

  it("of its last use is known to the minute", async () => {
    const { name, post } = await principal();
    const ask = by(await post({ name: "used" }));
    const lastUsed = async () => Date.parse((await list(name))[0].last_used);
    const before = berth.clock.now();
    await ask("GET", "/user");
    const first = await lastUsed();
    expect(first).toBeGreaterThanOrEqual(before - 1);
    expect(first).toBeLessThanOrEqual(berth.clock.now());
    berth.clock.advance(50);
    await ask("GET", "/user");
    expect(await lastUsed()).toBe(first);
    berth.clock.advance(11);
    await ask("GET", "/organization/nothing");
    expect(await lastUsed()).toBeGreaterThan(first + 60_000);
    expect((await list("admin"))[0].last_used).toEqual(instant);
  });

  it("ends at once when it is ended, or its principal is", async () => {
    const { name, post } = await principal({ roles: { acme: "reader" } });
    const [one, other] = [await post({ name: "one" }), await post({ name: "other" })];
    expect((await api("DELETE", `/principals/${name}/tokens/${one.body.id}`)).status).toBe(204);
    expect(expectProblem(await by(one)("GET", "/user"), 401, "unauthenticated")).toContain("was ended");
    expect((await by(other)("GET", "/user")).status).toBe(200);
    expect((await post({ name: "one" })).status).toBe(201);
    await api("DELETE", `/principals/${name}`);
    expectProblem(await by(other)("GET", "/user"), 401, "unauthenticated");
    const { logs } = (await api("GET", "/logs?kind=delete_api_token&limit=1")).body;
    expect(logs[0]).toMatchObject({
      performer: { name: "admin" },
      before: { name: "one", read_only: false, organizations: null, expires_at: null },
      after: null,
      metadata: { principal: name, token_id: one.body.id },
    });
  });
});

describe("who may end which API token", () => {
  it("every token may end itself", async () => {
    for (const narrowed of [{}, { read_only: true }, { organizations: ["acme"] }, { expires_at: later(600) }]) {
      const { name, post } = await principal({ roles: { acme: "reader" } });
      const answer = await post({ name: "self", ...narrowed });
      const ended = await by(answer)("DELETE", `/principals/${name}/tokens/${answer.body.id}`);
      expect(ended.status, JSON.stringify(narrowed)).toBe(204);
      expect((await by(answer)("GET", "/user")).status).toBe(401);
      expect(await list(name)).toEqual([]);
    }
  });

  it("no token ends one that can do more, or is somebody else's", async () => {
    const { name, post } = await principal({ roles: { acme: "admin", beta: "admin" } });
    const narrow = {
      full: {},
      reads: { read_only: true },
      acme: { organizations: ["acme"] },
      "acme-2": { organizations: ["acme"] },
      "acme-reads": { organizations: ["acme"], read_only: true },
      both: { organizations: ["acme", "beta"] },
    };
    const tokens = new Map<string, Awaited<ReturnType<typeof post>>>();
    for (const [token, narrowed] of Object.entries(narrow)) tokens.set(token, await post({ name: token, ...narrowed }));
    const end = async (ender: string, token: string) => {
      const answer = await managementBy(berth, tokens.get(ender)?.body.token)(
        "DELETE",
        `/principals/${name}/tokens/${tokens.get(token)?.body.id}`,
      );
      return answer.status;
    };
    for (const ender of ["reads", "acme-reads"]) {
      for (const token of tokens.keys()) if (token !== ender) expect(await end(ender, token)).toBe(403);
    }
    for (const token of ["full", "reads", "both"]) expect(await end("acme", token)).toBe(403);
    expect(await end("both", "full")).toBe(403);
    const stranger = await makePrincipal(berth, "stranger", { roles: { acme: "admin", beta: "admin" } });
    const path = `/principals/${name}/tokens/${tokens.get("acme")?.body.id}`;
    expectProblem(await stranger.api("DELETE", path), 404, "not_found");
    expectProblem(await stranger.api("DELETE", path.replace(name, "stranger")), 404, "not_found");
    expect(await list(name)).toHaveLength(6);

    for (const token of ["acme-2", "acme-reads"]) expect(await end("acme", token)).toBe(204);
    expect(await end("both", "acme")).toBe(204);
    for (const token of ["both", "reads"]) expect(await end("full", token)).toBe(204);
    expect((await list(name)).map((token: { name: string }) => token.name)).toEqual(["full"]);
  });
});
