import { randomBytes } from "node:crypto";
import { decodeJwt, decodeProtectedHeader, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { createKeys } from "../../src/services/key-ring.ts";
import { unheard } from "../../src/store/changes.ts";
import { createSealer } from "../../src/tokens/sealing.ts";
import type { SigningKey } from "../../src/tokens/signing-key.ts";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { type ManagementCall, makePrincipal, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";
import { exchangeByForm } from "../support/refusals.ts";

/** A robot token opens the management API where its binding says so and its robot holds a role. */

let postgres: TestPostgres;
let database: Database;
let berth: TestBerth;
let issuer: TestIssuer;
let admin: ManagementCall;
/** What the service signs robot tokens with. */
let key: SigningKey;

beforeAll(async () => {
  [postgres, issuer] = await Promise.all([startPostgres(), startIssuer()]);
  const url = await postgres.createDatabase("keyless");
  const sealingKey = randomBytes(32);
  berth = await startBerth({
    environment: {
      DATABASE_URL: url,
      BERTH_SECRET_KEY: sealingKey.toString("base64"),
      BERTH_ADMIN_TOKEN: "an-admin-token-that-robots-do-without",
    },
  });
  admin = managementBy(berth, berth.adminToken);
  database = await openPostgres(new Secret(url));
  const sealer = await createSealer([new Secret(new Uint8Array(sealingKey))]);
  const { signing } = await createKeys({ db: database.db, sealer, clock: berth.clock, changes: unheard }).robotToken();
  key = await signing();
  await admin("POST", "/organization/", { name: "acme" });
  await admin("PATCH", `/registries/${berth.host}`, { refresh_tokens: true });
});

afterAll(async () => {
  await Promise.all([berth.remove(), database.close(), issuer.close()]);
  await postgres.remove();
});

const robotPath = (robot: string) => `/organization/acme/robots/${robot}`;
const rolePath = (robot: string) => `/organization/acme/members/acme+${robot}`;

let made = 0;

interface Given {
  readonly api?: boolean;
  readonly role?: "admin" | "member" | "reader";
}

/** A robot that is bound to the test's issuer. */
async function makeRobot({ api = true, role = "admin" }: Given = {}) {
  made += 1;
  const robot = `robot-${made}`;
  await berth.createRobot(`acme+${robot}`, { federation: [{ issuer: issuer.url, subject, api }] });
  await admin("PUT", rolePath(robot), { role });
  const [binding] = (await admin("GET", `${robotPath(robot)}/federation`)).body;
  return { robot, binding, bindingPath: `${robotPath(robot)}/federation/bindings/${binding.id}` };
}

async function exchange(robot: string, by = issuer): Promise<string> {
  const { status, body } = await berth.exchange(`acme+${robot}`, await by.sign(berth.url));
  expect(status, JSON.stringify(body)).toBe(200);
  return body.token;
}

const open = (token: string) => managementBy(berth, token)("GET", "/user");
const login = (robot: string, password: string, query = "") =>
  call(`${berth.url}/v2/auth?service=${berth.host}${query}`, {
    headers: { authorization: basic(`acme+${robot}`, password) },
  });

/** Refused, with a reason that tells what to do. */
function expectShut(answer: ApiAnswer, told: RegExp): void {
  expect(expectProblem(answer, 401, "unauthenticated")).toMatch(told);
}

const ENDED = /^The robot token was ended: /;

describe("a robot token opens the management API", () => {
  it.each(["admin", "member", "reader"] as const)("as the %s that its robot is, in its organization", async (role) => {
    const { robot } = await makeRobot({ role });
    const { status, body } = await open(await exchange(robot));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      username: `acme+${robot}`,
      is_robot: true,
      super_user: false,
      global_readonly_super_user: false,
      organizations: [{ name: "acme", role, is_org_admin: role === "admin" }],
      token: { read_only: false, organizations: null },
    });
    expect(Date.parse(body.token.expires_at)).toBeGreaterThan(berth.clock.now());
  });

  it("only where its binding says so", async () => {
    const { robot, bindingPath } = await makeRobot({ api: false });
    const token = await exchange(robot);
    expectShut(await open(token), /does not say "api": true\.$/);
    expect((await login(robot, token)).status).toBe(200);
    await admin("PATCH", bindingPath, { api: true });
    // Minted when it opened registries alone: it does not come to open more.
    expectShut(await open(token), ENDED);
    expect((await open(await exchange(robot))).status).toBe(200);
  });

  it("only where its robot holds a role, which is told with how to give one", async () => {
    const { robot } = await makeRobot();
    const token = await exchange(robot);
    await admin("DELETE", rolePath(robot));
    const detail = expectProblem(await open(token), 403, "forbidden");
    expect(detail).toContain(`PUT /api/v1/organization/acme/members/acme+${robot}`);
    await admin("PUT", rolePath(robot), { role: "reader" });
    expect((await open(token)).body.organizations).toMatchObject([{ role: "reader" }]);
  });

  it("not where it was narrowed by the scope of its exchange", async () => {
    const { robot } = await makeRobot();
    await admin("PUT", `${robotPath(robot)}/grants`, [{ repository: "acme/*", actions: ["pull"] }]);
    const token = await issuer.sign(berth.url);
    const exchanged = await exchangeByForm(berth, `acme+${robot}`, token, { scope: "repository:acme/app:pull" });
    expect(exchanged.status, JSON.stringify(exchanged.body)).toBe(200);
    expectShut(await open(exchanged.body.access_token), /narrowed by the "scope" of its exchange/);
    expect((await login(robot, exchanged.body.access_token)).status).toBe(200);
    const whole = await exchangeByForm(berth, `acme+${robot}`, await issuer.sign(berth.url));
    expect((await open(whole.body.access_token)).status).toBe(200);
  });

  it("not of a version that did not say whether", async () => {
    const { robot } = await makeRobot();
    const minted = await exchange(robot);
    const { alg, ...header } = decodeProtectedHeader(minted);
    const resign = (claims: object) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg: alg ?? "", ...header }).sign(key.privateKey);
    const { api, ...claims } = decodeJwt(minted);
    expect(api).toBe(true);
    expect((await open(await resign({ ...claims, api }))).status).toBe(200);
    for (const other of [claims, { ...claims, api: "true" }, { ...claims, api: 1 }, { ...claims, api: false }]) {
      expect((await open(await resign(other))).status, JSON.stringify(other)).toBe(401);
    }
  });
});

describe("no other credential of a robot opens the management API", () => {
  it("neither a static, nor a refresh, nor a registry token, nor the one that was exchanged", async () => {
    const { robot } = await makeRobot();
    const robotToken = await exchange(robot);
    const oidc = await issuer.sign(berth.url);
    const { body } = await login(robot, robotToken, "&offline_token=true&scope=repository:acme/app:pull");
    const fixed = (await admin("POST", `${robotPath(robot)}/regenerate`, {})).body.token;
    expect((await login(robot, fixed)).status).toBe(200);
    for (const [kind, credential] of Object.entries({
      static: fixed,
      refresh: body.refresh_token,
      registry: body.token,
      OIDC: oidc,
      cut: robotToken.slice(0, -1),
      unsigned: `${robotToken.split(".").slice(0, 2).join(".")}.`,
    })) {
      expect(credential, kind).toEqual(expect.any(String));
      expectProblem(await open(credential), 401, "unauthenticated");
    }
  });

  it("nor an API token the registry", async () => {
    const { token } = await makePrincipal(berth, "no-robot", { roles: { acme: "admin" } });
    const { robot } = await makeRobot();
    expect((await login(robot, token)).status).toBe(401);
  });
});

describe("a robot token ends for the management API", () => {
  const other = { issuer: "http://127.0.0.1:9/other", subject: "job" };

  it.each<[string, (place: Awaited<ReturnType<typeof makeRobot>>) => Promise<ApiAnswer>]>([
    ["its binding does not open it any more", ({ bindingPath }) => admin("PATCH", bindingPath, { api: false })],
    [
      "its binding asks for more",
      ({ bindingPath }) => admin("PATCH", bindingPath, { claims: { ref: { equals: "x" } } }),
    ],
    ["its binding only audits", ({ bindingPath }) => admin("PATCH", bindingPath, { mode: "audit" })],
    ["its binding is deleted", ({ bindingPath }) => admin("DELETE", bindingPath)],
    ["its bindings are cleared", ({ robot }) => admin("DELETE", `${robotPath(robot)}/federation`)],
    ["its bindings are replaced", ({ robot }) => admin("POST", `${robotPath(robot)}/federation`, [other])],
    [
      "its bindings are others by the state",
      ({ robot }) =>
        admin("PUT", "/organization/acme/state", { robots: { [robot]: { federation: [other] } }, unlisted: "keep" }),
    ],
    ["its robot is disabled", ({ robot }) => admin("PATCH", robotPath(robot), { disabled: true })],
    ["its robot is deleted", ({ robot }) => admin("DELETE", robotPath(robot))],
  ])("when %s", async (_, end) => {
    const place = await makeRobot();
    const token = await exchange(place.robot);
    expect((await open(token)).status).toBe(200);
    const { status, body } = await end(place);
    expect(status, JSON.stringify(body)).toBeLessThan(300);
    expectShut(await open(token), ENDED);
  });

  it("and not when only a description of its binding, or the robot's, is another", async () => {
    const { robot, binding, bindingPath } = await makeRobot();
    const token = await exchange(robot);
    await admin("PATCH", bindingPath, { description: "the job that applies the state" });
    await admin("PATCH", robotPath(robot), { description: "GitOps", disabled: false });
    await admin("POST", `${robotPath(robot)}/federation`, [{ issuer: issuer.url, subject }]);
    expect((await open(token)).status).toBe(200);
    expect((await admin("GET", bindingPath)).body.version).toBe(binding.version);
  });

  it("when its robot was disabled and enabled again, or made anew", async () => {
    const { robot } = await makeRobot();
    const token = await exchange(robot);
    for (const disabled of [true, false]) await admin("PATCH", robotPath(robot), { disabled });
    expectShut(await open(token), ENDED);
    const next = await exchange(robot);
    await admin("DELETE", robotPath(robot));
    await berth.createRobot(`acme+${robot}`, { federation: [{ issuer: issuer.url, subject, api: true }] });
    await admin("PUT", rolePath(robot), { role: "admin" });
    expectShut(await open(next), ENDED);
  });

  it("when its holder revokes it, and no other", async () => {
    const { robot } = await makeRobot();
    const [token, second] = [await exchange(robot), await exchange(robot)];
    const body = new URLSearchParams({ token });
    expect((await call(`${berth.url}/oauth2/revoke`, { method: "POST", body })).status).toBe(200);
    expectShut(await open(token), ENDED);
    expect((await open(second)).status).toBe(200);
  });

  it("while its issuer is disabled", async () => {
    const second = await startIssuer();
    try {
      const registered = (await admin("POST", "/issuers", { issuer: second.url })).body;
      await berth.createRobot("acme+trusting", { federation: [{ issuer: second.url, subject, api: true }] });
      await admin("PUT", rolePath("trusting"), { role: "admin" });
      const token = await exchange("trusting", second);
      await admin("PATCH", `/issuers/${registered.id}`, { disabled: true });
      expectShut(await open(token), ENDED);
      expect((await admin("DELETE", `/issuers/${registered.id}?cascade=true`)).status).toBe(204);
      expectShut(await open(token), ENDED);
    } finally {
      await second.close();
    }
  });

  it("with its organization, and is nothing to the next of that name", async () => {
    await berth.createRobot("brief+ci", { federation: [{ issuer: issuer.url, subject, api: true }] });
    await admin("PUT", "/organization/brief/members/brief+ci", { role: "admin" });
    const { body } = await berth.exchange("brief+ci", await issuer.sign(berth.url));
    expect((await open(body.token)).status).toBe(200);
    await admin("DELETE", "/organization/brief");
    expectShut(await open(body.token), ENDED);
    await admin("DELETE", "/deleted-organizations/brief");
    await berth.createRobot("brief+ci", { federation: [{ issuer: issuer.url, subject, api: true }] });
    await admin("PUT", "/organization/brief/members/brief+ci", { role: "admin" });
    expectShut(await open(body.token), ENDED);
  });

  it("when it expires, as its binding or the service has it", async () => {
    const { robot, bindingPath } = await makeRobot();
    await admin("PATCH", bindingPath, { token_ttl: 60 });
    const token = await exchange(robot);
    berth.clock.advance(58);
    expect((await open(token)).status).toBe(200);
    berth.clock.advance(3);
    expectShut(await open(token), /^The robot token expired at .*exchange an OIDC token for a new one\.$/);
  });
});
