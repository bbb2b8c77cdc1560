import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";

let berth: TestBerth;
let issuer: TestIssuer;
/** Robot tokens. */
let whole: string;
let narrowed: string;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  const settings = { service: "kid.example:5000", key_profile: "kid", token_ttl: 120, issuer: "The old server" };
  expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
  const grants = [
    { repository: "acme/*", actions: ["pull", "push"] },
    { repository: "acme/scratch", actions: ["delete"] },
    { catalog: true },
    { registry: "kid.example:5000", repository: "acme/base", actions: ["pull"] },
  ];
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }], grants });
  const scope = "repository:acme/app:pull repository:acme/scratch:delete";
  await berth.createRobot("acme+narrow", { federation: [{ issuer: issuer.url, subject, scope }], grants });
  const exchange = async (robot: string) => (await berth.exchange(robot, await issuer.sign(berth.url))).body.token;
  [whole, narrowed] = await Promise.all([exchange("acme+ci"), exchange("acme+narrow")]);
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

type Parameters = readonly (readonly [name: string, value: string])[];
type Way = (parameters: Parameters, username: string, password: string) => Promise<ApiAnswer>;

const encode = (parameters: Parameters) =>
  new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value])).toString();
const get = (parameters: Parameters, authorization?: string) =>
  call(`${berth.url}/v2/auth?${encode(parameters)}`, { headers: authorization ? { authorization } : {} });
const post = (parameters: Parameters, authorization?: string) =>
  call(`${berth.url}/v2/auth`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", ...(authorization && { authorization }) },
    body: encode(parameters),
  });

/** All the ways in which clients bring one and the same credential. */
const ways: readonly [string, Way][] = [
  ["GET with Basic", (parameters, username, password) => get(parameters, basic(username, password))],
  ["GET with an empty user", (parameters, _, password) => get(parameters, basic("", password))],
  [
    "POST of a password",
    (parameters, username, password) =>
      post([["grant_type", "password"], ["username", username], ["password", password], ...parameters]),
  ],
  [
    "POST of an identity token",
    (parameters, _, password) => post([["grant_type", "refresh_token"], ["refresh_token", password], ...parameters]),
  ],
  ["POST with Basic", (parameters, username, password) => post(parameters, basic(username, password))],
];
const scoped = (...scopes: string[]): Parameters => scopes.map((scope) => ["scope", scope] as const);

const accessOf = ({ body }: ApiAnswer): string[] =>
  decodeJwt<{ access: { type: string; name: string; actions: string[] }[] }>(body.token).access.map(
    ({ type, name, actions }) => `${type}:${name}:${actions.join(",")}`,
  );

function expectError(answer: ApiAnswer, status: number, code: string): string {
  const { errors: told } = answer.body;
  expect(answer.body).toEqual({
    errors: [{ code, message: expect.stringMatching(/^[A-Z].*\.$/s), detail: expect.anything() }],
  });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  expect(answer.headers.get("www-authenticate")).toBe(
    status === 401 ? `Basic realm="${berth.url}/v2/auth", charset="UTF-8"` : null,
  );
  return told[0].message;
}

describe.each(ways)("%s", (name, way) => {
  const ask = (parameters: Parameters, password = whole, username = "acme+ci") => way(parameters, username, password);

  it("is answered in the form that every client reads, whatever else it sends", async () => {
    const answer = await ask([
      ["service", berth.host],
      ["account", "acme+ci"],
      ["client_id", "docker"],
      ["offline_token", "true"],
      ["access_type", "offline"],
      ["x", "y"],
      ["scope", "repository:acme/app:push,pull"],
    ]);
    expect(answer.status).toBe(200);
    const { token, expires_in, issued_at } = answer.body;
    expect(answer.body).toEqual({
      token,
      access_token: token,
      expires_in,
      issued_at,
      ...(name.startsWith("POST") && { scope: "repository:acme/app:pull,push" }),
    });
    expect(issued_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    expect(expires_in).toBe((decodeJwt(token).exp ?? 0) - Date.parse(issued_at) / 1000);
    expect(Number.isInteger(expires_in)).toBe(true);
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  it.each<[string, Parameters, string[]]>([
    [
      "repeated and separated by spaces at once",
      scoped("repository:acme/a:pull repository:acme/b:push", "repository:acme/c:pull"),
      ["repository:acme/a:pull", "repository:acme/b:push", "repository:acme/c:pull"],
    ],
    [
      "doubled, with other actions and another class",
      scoped("repository:acme/a:push", "repository(plugin):acme/a:pull", "repository:acme/a:push"),
      ["repository:acme/a:pull,push"],
    ],
    ["in another order of actions", scoped("repository:acme/a:push,pull"), ["repository:acme/a:pull,push"]],
    ["of all actions", scoped("repository:acme/a:*"), ["repository:acme/a:pull,push"]],
    [
      "of all actions, where one more is held",
      scoped("repository:acme/scratch:*"),
      ["repository:acme/scratch:pull,push,delete"],
    ],
    ["of an unknown action beside a known one", scoped("repository:acme/a:squash,pull"), ["repository:acme/a:pull"]],
    ["of no action", scoped("repository:acme/a:"), []],
    [
      "of an unknown type beside a known one",
      scoped("chart:acme/a:pull", "repository:acme/a:pull"),
      ["repository:acme/a:pull"],
    ],
    ["of an unknown type alone", scoped("chart:acme/a:pull"), []],
    ["of the catalog", scoped("registry:catalog:*"), ["registry:catalog:*"]],
    ["of something else of the registry", scoped("registry:quota:*"), []],
    ["with a port in the name", scoped("repository:localhost:5000/acme/a:pull"), []],
    ["of every repository at once", scoped("repository:*:*"), []],
    ["of a prefix", scoped("repository:acme/*:pull"), []],
    ["of a path that leads up", scoped("repository:acme/../other/a:pull"), []],
    [
      "of a push with a mount from a repository that is not held",
      scoped("repository:acme/a:pull,push", "repository:other/base:pull"),
      ["repository:acme/a:pull,push"],
    ],
    [
      "of a push with a mount",
      scoped("repository:acme/base:pull", "repository:acme/a:pull,push"),
      ["repository:acme/base:pull", "repository:acme/a:pull,push"],
    ],
  ])("grants what is held of a scope %s", async (_, parameters, access) => {
    const answer = await ask([["service", berth.host], ...parameters]);
    expect(answer.status).toBe(200);
    expect(accessOf(answer)).toEqual(access);
    if (name.startsWith("POST")) expect(answer.body.scope).toBe(access.join(" "));
  });

  it("without a scope is a login: good for nothing, and refused with a bad credential", async () => {
    for (const parameters of [[], scoped(""), scoped(" ", "")]) {
      const answer = await ask(parameters);
      expect(answer.status).toBe(200);
      expect(accessOf(answer)).toEqual([]);
      expect(decodeJwt(answer.body.token).sub).toBe("acme+ci");
    }
    expectError(await ask([], "hunter2"), 401, "UNAUTHORIZED");
  });

  it("takes the default registry where none is named, and refuses one that is not there", async () => {
    for (const parameters of [[], [["service", ""]], [["service", berth.host]]] as Parameters[]) {
      expect(decodeJwt((await ask(parameters)).body.token).aud).toBe(berth.host);
    }
    for (const service of ["other.example", "kid.example", " ", `${berth.host}/`, "x".repeat(2000), "ä"]) {
      expectError(await ask([["service", service], ...scoped("repository:acme/a:pull")]), 400, "UNSUPPORTED");
    }
  });

  it("is given what is held on that registry, and no more because it asked", async () => {
    const on = (service: string) =>
      ask([["service", service], ...scoped("repository:acme/base:pull,push", "registry:catalog:*")]);
    expect(accessOf(await on(berth.host))).toEqual(["repository:acme/base:pull,push", "registry:catalog:*"]);
    expect(accessOf(await on("kid.example:5000"))).toEqual(["repository:acme/base:pull"]);
  });

  it("is held to what its robot token was narrowed to", async () => {
    const scopes = ["app", "scratch", "base"].map((one) => `repository:acme/${one}:*`);
    const answer = await ask(scoped(...scopes, "registry:catalog:*"), narrowed, "acme+narrow");
    expect(accessOf(answer)).toEqual(["repository:acme/app:pull", "repository:acme/scratch:delete"]);
  });

  it("refuses a registry token for a password, of whichever registry", async () => {
    for (const service of [berth.host, "kid.example:5000"]) {
      const { token } = (await ask([["service", service], ...scoped("repository:acme/base:pull")])).body;
      expectError(await ask([["service", service]], token), 401, "UNAUTHORIZED");
    }
  });

  it.each(["repository", "acme/a", "repository:acme/a", ":acme/a:pull", "repository:acme/a:PULL"])(
    "refuses the scope %j",
    async (scope) => {
      expectError(await ask(scoped(scope)), 400, "UNSUPPORTED");
    },
  );

  it("takes 64 scopes, refuses 65, and never answers with more than 64 KiB", async () => {
    const scopes = (count: number, length: number) =>
      Array.from({ length: count }, (_, index) => `repository:${`acme/${index}/`.padEnd(length, "x")}:pull,push`);
    expect(accessOf(await ask(scoped(scopes(64, 20).join(" "))))).toHaveLength(64);
    expectError(await ask(scoped(...scopes(65, 20))), 400, "UNSUPPORTED");
    expectError(await ask(scoped(scopes(65, 20).join(" "))), 400, "UNSUPPORTED");
    const longest = await ask(scoped(...scopes(64, 255)));
    expect(JSON.stringify(longest.body).length).toBeLessThan(64 * 1024);
    if (longest.status !== 200) expect(expectError(longest, 400, "UNSUPPORTED")).toMatch(/fewer scopes/);
  });
});

describe("nobody", () => {
  it.each<[string, (parameters: Parameters) => Promise<ApiAnswer>]>([
    ["GET without a header", (parameters) => get(parameters)],
    ["GET with Og==", (parameters) => get(parameters, "Basic Og==")],
    ["POST without a header", (parameters) => post(parameters)],
    ["POST with Og==", (parameters) => post(parameters, "Basic Og==")],
    ["POST of an empty password", (parameters) => post([["grant_type", "password"], ...parameters])],
  ])("by %s is given what is public, and cannot log in", async (_, way) => {
    const answer = await way(scoped("repository:acme/app:pull,push", "registry:catalog:*"));
    expect(answer.status).toBe(200);
    expect(decodeJwt(answer.body.token)).toMatchObject({ sub: "", aud: berth.host, access: [] });
    for (const parameters of [[], scoped("")]) {
      expect(expectError(await way(parameters), 401, "UNAUTHORIZED")).toMatch(/Log in with a robot/);
    }
  });
});
