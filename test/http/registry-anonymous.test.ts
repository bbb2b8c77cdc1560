import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken } from "../support/refusals.ts";

const OTHER = "other.example";
let berth: TestBerth;
let issuer: TestIssuer;
/** Of a robot of another organization, narrowed. */
let stranger: string;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  expect((await berth.api("POST", "/registries", { service: OTHER })).status).toBe(201);
  const scope = "repository:mallory/app:pull";
  await berth.createRobot("mallory+ci", {
    federation: [{ issuer: issuer.url, subject, scope }],
    grants: [{ repository: "mallory/*", actions: ["pull", "push"] }],
  });
  await berth.createRobot("acme+ci", { grants: [] });
  stranger = (await berth.exchange("mallory+ci", await issuer.sign(berth.url))).body.token;
  await open([
    { repository: "acme/exact" },
    { repository: "acme/open/*" },
    { repository: "acme/deep/er/*" },
    { registry: OTHER, repository: "acme/elsewhere" },
  ]);
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

async function open(anonymous_pull: object[], organization = "acme"): Promise<void> {
  const { status, body } = await berth.api("PATCH", `/organization/${organization}`, { anonymous_pull });
  expect(status, JSON.stringify(body)).toBe(200);
}

const accessOf = ({ status, body }: ApiAnswer): string[] => {
  expect(status).toBe(200);
  const { access } = decodeJwt<{ access: { type: string; name: string; actions: string[] }[] }>(body.token);
  return access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(",")}`);
};
const ask = (scope: string, service = berth.host, login?: readonly [string, string]) =>
  askRegistryToken(berth, `service=${service}&scope=${encodeURIComponent(scope)}`, login);

describe("anybody", () => {
  it.each<[string, string]>([
    ["a repository by its name", "acme/exact"],
    ["a repository below a prefix", "acme/open/a"],
    ["a repository far below a prefix", "acme/open/a/b/c/d"],
    ["a repository below a deep prefix", "acme/deep/er/a"],
  ])("may pull %s, and nothing more", async (_, name) => {
    for (const actions of ["pull", "*", "pull,push,delete"]) {
      expect(accessOf(await ask(`repository:${name}:${actions}`))).toEqual([`repository:${name}:pull`]);
    }
    for (const actions of ["push", "delete", ""])
      expect(accessOf(await ask(`repository:${name}:${actions}`))).toEqual([]);
  });

  it.each([
    "repository:acme/exact/below:pull",
    "repository:acme/exactly:pull",
    "repository:acme/open:pull",
    "repository:acme/opened/a:pull",
    "repository:acme/deep/a:pull",
    "repository:acme/deep:pull",
    "repository:acme:pull",
    "repository:acme/*:pull",
    "repository:acme/open/*:pull",
    "repository:acme/open/..:pull",
    "repository:acme/open/../secret:pull",
    "repository:acme/open//a:pull",
    "repository:ACME/exact:pull",
    "repository:*:pull",
    "registry:catalog:*",
    "registry:acme/exact:pull",
    "chart:acme/exact:pull",
    "repository:acme/elsewhere:pull",
  ])("may not have %s", async (scope) => {
    expect(accessOf(await ask(scope))).toEqual([]);
  });

  it("may pull what is open on the registry that it is open on, and there alone", async () => {
    expect(accessOf(await ask("repository:acme/elsewhere:pull", OTHER))).toEqual(["repository:acme/elsewhere:pull"]);
    expect(accessOf(await ask("repository:acme/exact:pull", OTHER))).toEqual([]);
  });

  it("may pull what is open of all that it asks for", async () => {
    const scopes = ["acme/exact", "acme/secret", "acme/open/a"].map((name) => `repository:${name}:pull,push`);
    expect(accessOf(await ask(scopes.join(" ")))).toEqual([
      "repository:acme/exact:pull",
      "repository:acme/open/a:pull",
    ]);
  });

  it("is nobody by name", async () => {
    const { body } = await ask("repository:acme/exact:pull");
    expect(decodeJwt(body.token).sub).toBe("");
  });
});

describe("a robot", () => {
  const login = () => ["mallory+ci", stranger] as const;

  it("may pull what anybody may, whatever it was narrowed to, and of its own no more than that", async () => {
    const scope = "repository:acme/exact:pull,push repository:mallory/app:pull,push repository:mallory/web:pull";
    expect(accessOf(await ask(scope, berth.host, login()))).toEqual([
      "repository:acme/exact:pull",
      "repository:mallory/app:pull",
    ]);
  });

  it("with a bad credential is refused even what anybody may pull", async () => {
    expect((await ask("repository:acme/exact:pull", berth.host, ["mallory+ci", "hunter2"])).status).toBe(401);
  });

  it("that may push to what anybody may pull is given both", async () => {
    await open([{ repository: "mallory/app" }], "mallory");
    await berth.api("PUT", "/organization/mallory/robots/ci/grants", [
      { repository: "mallory/app", actions: ["push"] },
    ]);
    await berth.api("POST", "/organization/mallory/robots/ci/federation", [
      { issuer: issuer.url, subject, scope: null },
    ]);
    const { token } = (await berth.exchange("mallory+ci", await issuer.sign(berth.url))).body;
    expect(accessOf(await ask("repository:mallory/app:*", berth.host, ["mallory+ci", token]))).toEqual([
      "repository:mallory/app:pull,push",
    ]);
  });
});

describe("what was open", () => {
  const scope = "repository:doomed/app:pull";
  const create = async () => {
    expect((await berth.api("POST", "/organization/", { name: "doomed" })).status).toBe(201);
    await open([{ repository: "doomed/*" }], "doomed");
    expect(accessOf(await ask(scope))).toEqual([scope]);
  };

  it("is shut at once when that is taken back, and when the organization is deleted", async () => {
    await create();
    await open([], "doomed");
    expect(accessOf(await ask(scope))).toEqual([]);
    await open([{ repository: "doomed/*" }], "doomed");
    expect(accessOf(await ask(scope))).toEqual([scope]);
    expect((await berth.api("DELETE", "/organization/doomed")).status).toBe(204);
    expect(accessOf(await ask(scope))).toEqual([]);
  });
});
