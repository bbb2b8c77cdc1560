import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";

const PER_MINUTE = 6;
let berth: TestBerth;
let issuer: TestIssuer;
let robotToken: string;
let made = 0;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([
    startBerth({
      environment: {
        BERTH_RATE_LIMITS: "on",
        BERTH_RATE_LIMIT_LOGIN_FAILURES_PER_ADDRESS: String(PER_MINUTE),
        BERTH_RATE_LIMIT_EXEMPT: "198.51.100.0/24,2001:db8:ffff::/48",
        BERTH_TRUSTED_PROXIES: "127.0.0.0/8",
        BERTH_AUDIT_REFUSALS_PER_MINUTE: "20",
      },
    }),
    startIssuer(),
  ]);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
  robotToken = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

/** An address that nobody else uses. */
const newAddress = () => {
  made += 1;
  return `192.0.2.${made}`;
};
/** A password that nobody else tries. */
const newPassword = () => {
  made += 1;
  return `hunter${made}`;
};

type Knock = (address: string, password: string, username?: string) => Promise<ApiAnswer>;

const get: Knock = (address, password, username = "acme+ci") =>
  call(`${berth.url}/v2/auth?scope=repository:acme/app:pull`, {
    headers: { authorization: basic(username, password), "x-forwarded-for": address },
  });
const postForm = (address: string, form: Record<string, string>) =>
  call(`${berth.url}/v2/auth`, {
    method: "POST",
    headers: { "x-forwarded-for": address },
    body: new URLSearchParams(form),
  });
const post: Knock = (address, password, username = "acme+ci") =>
  postForm(address, { grant_type: "password", username, password });
const postIdentity: Knock = (address, password) =>
  postForm(address, { grant_type: "refresh_token", refresh_token: password });
const getIdentity: Knock = (address, password) => get(address, password, "");

/** How many attempts are told why they failed, until one is told to wait. */
async function exhaust(address: string, attempt: (password: string) => Promise<ApiAnswer[]>): Promise<number> {
  for (let times = 0; times < 100; times += 1) {
    const statuses = (await attempt(newPassword())).map(({ status }) => status);
    expect(new Set(statuses).size, `${address}: both knocks get one answer`).toBe(1);
    if (statuses[0] === 429) return times;
    expect(statuses[0]).toBe(401);
  }
  throw new Error("there is no limit");
}

function expectLimited(answer: ApiAnswer): void {
  expect(answer.status).toBe(429);
  const wait = Number(answer.headers.get("retry-after"));
  expect(Number.isInteger(wait)).toBe(true);
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(60 / PER_MINUTE);
  const message = expect.stringContaining(`try again in ${wait} seconds`);
  expect(answer.body).toEqual({ errors: [{ code: "TOOMANYREQUESTS", message, detail: expect.anything() }] });
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  expect(answer.headers.has("www-authenticate")).toBe(false);
}

describe("failed logins", () => {
  it("are limited for an address, which is told for how long, and nobody else's with them", async () => {
    const address = newAddress();
    expect(await exhaust(address, async (password) => [await get(address, password)])).toBe(PER_MINUTE);
    expectLimited(await get(address, newPassword()));
    expectLimited(await post(address, newPassword()));
    expect((await get(newAddress(), newPassword())).status).toBe(401);
  });

  it("never keep a good one waiting, by either method, nor anybody who brings no credential", async () => {
    const address = newAddress();
    await exhaust(address, async (password) => [await get(address, password)]);
    for (let attempt = 0; attempt < 2 * PER_MINUTE; attempt += 1) {
      expect((await get(address, robotToken)).status).toBe(200);
      expect((await post(address, robotToken)).status).toBe(200);
    }
    const headers = { "x-forwarded-for": address };
    expect((await call(`${berth.url}/v2/auth?scope=repository:a:pull`, { headers })).status).toBe(200);
    expect((await call(`${berth.url}/v2/auth`, { headers })).status).toBe(401);
    expectLimited(await get(address, newPassword()));
  });

  it("are allowed again one by one as time goes by, however many were refused meanwhile", async () => {
    const address = newAddress();
    await exhaust(address, async (password) => [await get(address, password)]);
    for (let attempt = 0; attempt < 20; attempt += 1) expectLimited(await get(address, newPassword()));
    berth.clock.advance(60 / PER_MINUTE);
    expect((await get(address, newPassword())).status).toBe(401);
    expectLimited(await get(address, newPassword()));
    berth.clock.advance(60);
    expect(await exhaust(address, async (password) => [await get(address, password)])).toBe(PER_MINUTE);
  });

  it.each<[string, readonly Knock[]]>([
    ["POST then GET, as containerd does", [post, get]],
    ["GET then POST, as buildkit does", [get, post]],
    ["POST then GET of an identity token", [postIdentity, getIdentity]],
    ["GET then POST of an identity token", [getIdentity, postIdentity]],
  ])("by %s count once, and both get the same answer", async (_, knocks) => {
    const address = newAddress();
    const attempt = async (password: string) => {
      const answers: ApiAnswer[] = [];
      for (const knock of knocks) answers.push(await knock(address, password));
      const [first, second] = answers;
      expect(first?.body.errors[0].message).toBe(second?.body.errors[0].message);
      expect(first?.headers.get("retry-after")).toBe(second?.headers.get("retry-after"));
      return answers;
    };
    expect(await exhaust(address, attempt)).toBe(PER_MINUTE);
    expect((await attempt(newPassword())).map(({ status }) => status)).toEqual([429, 429]);
  });

  it.each<[string, (address: string, password: string) => Promise<ApiAnswer>[]]>([
    ["GET twice", (address, password) => [get(address, password), get(address, password)]],
    ["POST twice", (address, password) => [post(address, password), post(address, password)]],
    [
      "POST and GET of two robots",
      (address, password) => [post(address, password), get(address, password, "acme+other")],
    ],
    ["POST and GET of two passwords", (address, password) => [post(address, password), get(address, `${password}x`)]],
  ])("by %s count twice", async (_, knock) => {
    const address = newAddress();
    for (let attempt = 0; attempt < PER_MINUTE / 2; attempt += 1) {
      const answers = await Promise.all(knock(address, newPassword()));
      expect(answers.map(({ status }) => status)).toEqual([401, 401]);
    }
    expectLimited(await get(address, newPassword()));
  });

  it("by a third knock, or a late second one, count again", async () => {
    const address = newAddress();
    const password = newPassword();
    for (const knock of [post, get, post, get]) expect((await knock(address, password)).status).toBe(401);
    berth.clock.advance(11);
    for (let attempt = 0; attempt < PER_MINUTE; attempt += 1) {
      const late = newPassword();
      await post(address, late);
      berth.clock.advance(10.5);
      expect((await get(address, late)).status).toBe(401);
    }
    const statuses: number[] = [];
    for (let attempt = 0; attempt < PER_MINUTE; attempt += 1) statuses.push((await get(address, newPassword())).status);
    expect(statuses).toContain(429);
  });

  it("from two addresses with one credential are two", async () => {
    const [one, other] = [newAddress(), newAddress()];
    const password = newPassword();
    await post(one, password);
    await get(other, password);
    expect(await exhaust(other, async (next) => [await get(other, next)])).toBe(PER_MINUTE - 1);
  });

  it("are not limited for exempt networks", async () => {
    for (const address of ["198.51.100.7", "::ffff:198.51.100.7", "2001:db8:ffff::7"]) {
      for (let attempt = 0; attempt < PER_MINUTE + 2; attempt += 1) {
        expect((await get(address, newPassword())).status).toBe(401);
      }
    }
  });

  it("are counted by the network of an IPv6 host, for the two knocks of one attempt too", async () => {
    let host = 0;
    const at = () => {
      host += 1;
      return `2001:db8:1:2:${host}::1`;
    };
    const attempt = async (password: string) => [await post(at(), password), await get(at(), password)];
    expect(await exhaust("2001:db8:1:2::/64", attempt)).toBe(PER_MINUTE);
    expect((await get("2001:db8:1:3::1", newPassword())).status).toBe(401);
  });

  it.each<[string, string, () => string]>([
    ["a user name that is no robot's", "acme", newPassword],
    ["a robot that is not there", "acme+nobody", newPassword],
    ["a static token that is not known", "acme+ci", () => `berth_robot_${newPassword().padEnd(43, "x")}`],
    ["a token of another robot", "acme+other", () => robotToken],
  ])("with %s count as any other", async (_, username, password) => {
    const address = newAddress();
    for (let attempt = 0; attempt < PER_MINUTE; attempt += 1) {
      expect((await get(address, password(), username)).status).toBe(401);
    }
    expectLimited(await get(address, password(), username));
  });

  it("are forgotten where the limits are off", async () => {
    const free = await startBerth({ environment: { BERTH_RATE_LIMIT_LOGIN_FAILURES_PER_ADDRESS: "1" } });
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const answer = await call(`${free.url}/v2/auth`, { headers: { authorization: basic("acme+ci", newPassword()) } });
      expect(answer.status).toBe(401);
    }
    await free.remove();
  });
});

describe("records of failed logins", () => {
  type AuditRecord = { readonly ip: string | null; readonly code: string | null; readonly metadata: object };
  const list = async (kind: string): Promise<AuditRecord[]> =>
    (await berth.api("GET", `/logs?limit=500&kind=${kind}`)).body.logs;

  beforeEach(() => berth.clock.advance(61));

  it("are a share of what is recorded in a minute, and the others are counted in one more record", async () => {
    await get(newAddress(), newPassword());
    berth.clock.advance(61);
    const [before, summaries] = [await list("registry_token"), await list("registry_token_refusals")];
    const [flooding, quiet] = [newAddress(), newAddress()];
    for (let attempt = 0; attempt < 12; attempt += 1) await get(flooding, newPassword());
    for (let attempt = 0; attempt < 3; attempt += 1) await get(flooding, newPassword(), "acme");
    await get(quiet, newPassword());
    const fresh = (await list("registry_token")).slice(0, -before.length || undefined);
    expect(fresh.filter(({ ip }) => ip === flooding)).toHaveLength(5);
    expect(fresh.filter(({ ip }) => ip === quiet)).toHaveLength(1);
    expect(await list("registry_token_refusals")).toHaveLength(summaries.length);

    berth.clock.advance(61);
    await get(newAddress(), newPassword());
    const [summary, ...rest] = await list("registry_token_refusals");
    expect(rest).toEqual(summaries);
    expect(summary).toMatchObject({
      outcome: "refused",
      ip: null,
      metadata: { count: 10, codes: { credential_invalid: 7, credential_unreadable: 3 } },
    });
  });

  it("hold neither the password nor anything of it", async () => {
    const password = newPassword();
    await get(newAddress(), password);
    expect(JSON.stringify([await list("registry_token"), berth.log])).not.toContain(password);
  });
});
