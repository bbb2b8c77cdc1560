import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { hold } from "../support/held-request.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { makePrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** Whoever is about to be thrown out gains nothing by requests whose bodies come late. */

let berth: TestBerth;
let issuer: TestIssuer;
let made = 0;
const acme = "/organization/acme";

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  await berth.createRobot("acme+ci");
  await berth.api("POST", "/organization/", { name: "beta" });
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

const fresh = () => {
  made += 1;
  return `evil-${made}`;
};
const admin = async (method: string, path: string, body?: unknown) => {
  const answer = await berth.api(method, path, body);
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  return answer.body;
};
const begin = async (method: string, path: string, token: string, body: unknown) => {
  const held = await hold(`${berth.url}/api/v1${path}`, method, token, JSON.stringify(body));
  // It is authenticated before its body is read.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return held;
};

type Role = "admin" | "member" | "reader";

/** What makes an admin of the organization less, or nothing. */
const ends: Record<string, (name: string) => Promise<unknown>> = {
  "the role was taken away": (name) => admin("DELETE", `${acme}/members/${name}`),
  "the role was made less": (name) => admin("PUT", `${acme}/members/${name}`, { role: "member" satisfies Role }),
  "a superuser put the roles": (name) => admin("PATCH", `/principals/${name}`, { roles: { beta: "admin" } }),
  "a document left it out": (name) => admin("PUT", `${acme}/state`, { members: {} }).then(() => name),
  "the principal was deleted": (name) => admin("DELETE", `/principals/${name}`),
  "the token was ended": async (name) => {
    const { tokens } = await admin("GET", `/principals/${name}/tokens`);
    for (const { id } of tokens) await admin("DELETE", `/principals/${name}/tokens/${id}`);
  },
};

describe("a request of an organization's admin", () => {
  it.each(Object.entries(ends))("changes nothing after %s", async (_, end) => {
    const name = fresh();
    const { token } = await makePrincipal(berth, name, { roles: { acme: "admin" } });
    const accomplice = fresh();
    await makePrincipal(berth, accomplice);
    const held = await Promise.all([
      begin("PUT", `${acme}/members/${name}`, token, { role: "admin" }),
      begin("PUT", `${acme}/members/${accomplice}`, token, { role: "admin" }),
      begin("PUT", `${acme}/robots/${name}`, token, {}),
      begin("PUT", `${acme}/state`, token, { members: { [accomplice]: "admin" }, unlisted: "keep" }),
      begin("POST", `${acme}/robots/ci/federation`, token, [{ issuer: issuer.url, subject }]),
    ]);
    await end(name);
    const before = await admin("GET", `${acme}/state`);
    for (const request of held) {
      const answer = await request.finish();
      expect([401, 403, 404], JSON.stringify(answer.body)).toContain(answer.status);
    }
    expect(await admin("GET", `${acme}/state`)).toEqual(before);
    expect(before.members).not.toHaveProperty(accomplice);
  });

  it("goes on after a change that takes nothing from it", async () => {
    const name = fresh();
    const { token } = await makePrincipal(berth, name, { roles: { acme: "admin" } });
    const held = await begin("PUT", `${acme}/robots/kept`, token, {});
    await admin("PATCH", `/principals/${name}`, { description: "still here" });
    await admin("PUT", `${acme}/members/${name}`, { role: "admin" });
    expect((await held.finish()).status).toBe(201);
  });
});

describe("a superuser's request", () => {
  it.each<[string, (name: string) => Promise<unknown>]>([
    ["it was made a read-only one", (name) => admin("PATCH", `/principals/${name}`, { super_user: "read_only" })],
    ["it was made none", (name) => admin("PATCH", `/principals/${name}`, { super_user: false })],
    ["it was deleted", (name) => admin("DELETE", `/principals/${name}`)],
  ])("leaves no way back in after %s", async (_, end) => {
    const name = fresh();
    const { token } = await makePrincipal(berth, name, { super_user: true });
    const held = await Promise.all([
      begin("POST", "/principals/admin/tokens", token, { name: `backdoor-${name}` }),
      begin("POST", `/principals/${name}/tokens`, token, { name: "second" }),
      begin("PATCH", `/principals/${name}`, token, { super_user: true }),
      begin("POST", "/principals", token, { name: `${name}-2`, super_user: true }),
      begin("PUT", "/state", token, { principals: { [`${name}-3`]: { super_user: true } }, unlisted: "keep" }),
    ]);
    await end(name);
    for (const request of held) {
      const answer = await request.finish();
      expect([401, 404], JSON.stringify(answer.body)).toContain(answer.status);
    }
    const { principals } = await admin("GET", "/principals?limit=500");
    const superusers = principals.filter((one: { super_user: unknown }) => one.super_user === true);
    expect(superusers.map((one: { name: string }) => one.name)).toEqual(["admin"]);
    const { tokens } = await admin("GET", "/principals/admin/tokens");
    expect(tokens).toHaveLength(1);
  });
});

describe("a request by a token", () => {
  it("that expires meanwhile changes nothing", async () => {
    const expires_at = new Date(berth.clock.now() + 60_000).toISOString();
    const { token } = await makePrincipal(berth, fresh(), { roles: { acme: "admin" } }, { expires_at });
    const held = await begin("PUT", `${acme}/robots/too-late`, token, {});
    berth.clock.advance(61);
    expectProblem(await held.finish(), 401, "unauthenticated");
    expect((await berth.api("GET", `${acme}/robots/too-late`)).status).toBe(404);
  });

  const robotOf = (name: string) => `${acme}/robots/${name}`;
  const memberOf = (name: string) => `${acme}/members/acme+${name}`;

  it.each<[string, (name: string) => Promise<unknown>]>([
    ["binding was deleted", (name) => admin("DELETE", `${robotOf(name)}/federation`)],
    ["robot was disabled", (name) => admin("PATCH", robotOf(name), { disabled: true })],
    ["robot was deleted", (name) => admin("DELETE", robotOf(name))],
    ["robot lost its role", (name) => admin("DELETE", memberOf(name))],
    ["robot was given a lesser role", (name) => admin("PUT", memberOf(name), { role: "reader" })],
  ])("of a robot changes nothing after its %s", async (_, end) => {
    const name = fresh();
    await berth.createRobot(`acme+${name}`, { federation: [{ issuer: issuer.url, subject, api: true }] });
    await admin("PUT", memberOf(name), { role: "admin" });
    const { token } = (await berth.exchange(`acme+${name}`, await issuer.sign(berth.url))).body;
    const held = await Promise.all([
      begin("PUT", memberOf(name), token, { role: "admin" }),
      begin("PUT", memberOf("ci"), token, { role: "admin" }),
      begin("PUT", `${acme}/state`, token, { settings: { email: "evil@example.com" } }),
    ]);
    await end(name);
    const before = await admin("GET", `${acme}/state`);
    for (const request of held) {
      const answer = await request.finish();
      expect([401, 404], JSON.stringify(answer.body)).toContain(answer.status);
    }
    expect(await admin("GET", `${acme}/state`)).toEqual(before);
  });
});
