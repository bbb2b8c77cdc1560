import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci");
});

afterAll(() => berth.remove());

beforeEach(async () => {
  await change({ anonymous_pull: [], repository_prefixes: [] });
});

const change = (settings: object, method = "PATCH") => berth.api(method, "/organization/acme", settings);
const stored = async () => (await berth.api("GET", "/organization/acme")).body;
const open = (...repositories: string[]) => repositories.map((repository) => ({ repository }));

/** The first problem that an answer names. */
async function refused(settings: object): Promise<{ path: unknown[]; message: string }> {
  const before = await stored();
  const answer = await change(settings);
  expectProblem(answer, 400, "invalid");
  expect(await stored()).toEqual(before);
  return answer.body.errors[0];
}

describe("an organization's anonymous_pull", () => {
  it.each(["PATCH", "PUT"])("is kept in the order given, each with its registry, by %s", async (method) => {
    const names = ["acme/z", "acme/public/*", "acme/a", "acme/*"];
    const told = names.map((repository) => ({ registry: berth.host, repository }));
    const answer = await change({ anonymous_pull: open(...names) }, method);
    expect([answer.status, answer.body.anonymous_pull]).toEqual([200, told]);
    expect((await stored()).anonymous_pull).toEqual(told);
    const { organizations } = (await berth.api("GET", "/organization/")).body;
    expect(organizations.find(({ name }: { name: string }) => name === "acme").anonymous_pull).toEqual(told);
    expect((await change({ anonymous_pull: told.toReversed() })).body.anonymous_pull).toEqual(told.toReversed());
    expect((await change({ email: null })).body.anonymous_pull).toEqual(told.toReversed());
  });

  it.each([
    "other/app",
    "acme",
    "acmes/app",
    "*",
    "",
    "acme/",
    "acme/UP",
    "acme/*/x",
    "/acme/x",
    `acme/${"a".repeat(251)}`,
  ])("cannot be %j", async (repository) => {
    const problem = await refused({ anonymous_pull: [...open("acme/fine"), { repository }] });
    expect(problem.path).toEqual(["anonymous_pull", 1, "repository"]);
  });

  it.each([
    [{ registry: "unknown.example", repository: "acme/a" }],
    [{ registry: "", repository: "acme/a" }],
    [{ registry: null, repository: "acme/a" }],
    [{ repository: "acme/a", actions: ["push"] }],
    [{}],
    ["acme/a"],
    Array.from({ length: 501 }, (_, index) => ({ repository: `acme/r${index}` })),
  ])("cannot be made of %j", async (...anonymous_pull) => {
    const problem = await refused({ anonymous_pull: anonymous_pull.flat() });
    expect(problem.path[0]).toBe("anonymous_pull");
  });

  it("names nothing twice, however the registry is named", async () => {
    const twice = [{ repository: "acme/a" }, { registry: berth.host, repository: "acme/a" }];
    expect((await refused({ anonymous_pull: twice })).message).toContain("twice");
  });

  it("is in the audit log as what it was changed to", async () => {
    await change({ anonymous_pull: open("acme/seen"), repository_prefixes: ["legacy"] });
    const [record] = (await berth.api("GET", "/organization/acme/logs?kind=org_change")).body.logs;
    expect(record.after).toMatchObject({
      anonymous_pull: [{ registry: berth.host, repository: "acme/seen" }],
      repository_prefixes: ["legacy"],
    });
    expect(Object.keys(record.before)).toEqual(Object.keys(record.after));
  });
});

describe("an organization's repository_prefixes", () => {
  it.each(["legacy", "legacy/", "legacy/*", "a/b", "registry.io/x", `${"a".repeat(253)}/*`])(
    "may be %s, and are told as they were given",
    async (prefix) => {
      expect((await change({ repository_prefixes: [prefix] })).body.repository_prefixes).toEqual([prefix]);
      expect((await stored()).repository_prefixes).toEqual([prefix]);
    },
  );

  it.each(["", "/", "*", "/*", "legacy//", "legacy/**", "Legacy", "leg*", "a b", "../x", "é"])(
    "cannot be %j",
    async (prefix) => {
      const problem = await refused({ repository_prefixes: ["fine", prefix] });
      expect(problem.path).toEqual(["repository_prefixes", 1]);
    },
  );

  it.each([Array.from({ length: 101 }, (_, index) => `legacy${index}`), "legacy", [1], null])(
    "cannot be made of %j",
    async (repository_prefixes) => {
      expect((await refused({ repository_prefixes })).path[0]).toBe("repository_prefixes");
    },
  );

  it("make names the organization's own, for everybody to pull", async () => {
    const names = ["legacy", "legacy/a", "legacy/*", "old/a"];
    expect((await refused({ anonymous_pull: open(...names) })).message).toContain("own");
    const given = { anonymous_pull: open(...names), repository_prefixes: ["legacy", "old/*"] };
    expect((await change(given)).status).toBe(200);
    expect((await refused({ anonymous_pull: open("old") })).message).toContain("own");
  });

  it("stay while anonymous_pull needs them, unless both go together", async () => {
    await change({ anonymous_pull: open("legacy/a", "acme/b"), repository_prefixes: ["legacy", "old"] });
    expect((await change({ repository_prefixes: ["legacy/"] })).status).toBe(200);
    const problem = await refused({ repository_prefixes: ["old"] });
    expect(problem.path).toEqual(["repository_prefixes"]);
    expect(problem.message).toContain("legacy/a");
    const both = await change({ repository_prefixes: ["old"], anonymous_pull: open("acme/b") });
    expect(both.body).toMatchObject({ repository_prefixes: ["old"], anonymous_pull: [{ repository: "acme/b" }] });
  });
});
