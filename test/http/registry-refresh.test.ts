import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken } from "../support/refusals.ts";

const ON = "refreshing.example";
const OTHER = "other.example";
let berth: TestBerth;
let issuer: TestIssuer;
let made = 0;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  for (const service of [ON, OTHER]) {
    expect((await berth.api("POST", "/registries", { service, refresh_tokens: true })).status).toBe(201);
  }
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

/** A robot of its own with a robot token. */
async function newRobot(binding: object = {}) {
  made += 1;
  const name = `acme+robot-${made}`;
  const path = `/organization/acme/robots/robot-${made}`;
  const entry = { issuer: issuer.url, subject, ...binding };
  const grants = [ON, OTHER].map((registry) => ({ registry, repository: "acme/*", actions: ["pull", "push"] }));
  await berth.createRobot(name, { federation: [entry], grants });
  const { body } = await berth.exchange(name, await issuer.sign(berth.url));
  return { name, path, entry, token: body.token as string };
}

const post = (form: Record<string, string>) =>
  call(`${berth.url}/v2/auth`, { method: "POST", body: new URLSearchParams(form) });
const login = (name: string, password: string, service = ON) =>
  askRegistryToken(
    berth,
    `service=${service}&offline_token=true&client_id=docker&account=${encodeURIComponent(name)}`,
    [name, password],
  );
const refresh = (token: string, more: Record<string, string> = {}) =>
  post({ grant_type: "refresh_token", refresh_token: token, service: ON, scope: "repository:acme/app:pull", ...more });
const revoke = (token: string) =>
  call(`${berth.url}/oauth2/revoke`, { method: "POST", body: new URLSearchParams({ token }) });

async function newRefreshToken(binding: object = {}) {
  const robot = await newRobot(binding);
  const { body } = await login(robot.name, robot.token);
  expect(body.refresh_token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  return { ...robot, refreshToken: body.refresh_token as string };
}

function reasonOf({ status, body }: ApiAnswer): string {
  expect([status, body.errors?.[0].code]).toEqual([401, "UNAUTHORIZED"]);
  return body.errors[0].message;
}

describe("a refresh token is given", () => {
  it("by no registry that was not told so, whatever is asked", async () => {
    const { name, token } = await newRobot();
    const answers = [
      await login(name, token, berth.host),
      await post({ grant_type: "password", username: name, password: token, access_type: "offline" }),
      await post({ grant_type: "refresh_token", refresh_token: token, access_type: "offline" }),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body).not.toHaveProperty("refresh_token");
    }
  });

  it("only to whoever asks for one", async () => {
    const { name, token } = await newRobot();
    const form = { grant_type: "password", username: name, password: token, service: ON };
    const answers = [
      await askRegistryToken(berth, `service=${ON}&offline_token=false`, [name, token]),
      await askRegistryToken(berth, `service=${ON}&access_type=online`, [name, token]),
      await post({ ...form, access_type: "online" }),
      await post(form),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body).not.toHaveProperty("refresh_token");
    }
    expect((await login(name, token)).body.refresh_token).toEqual(expect.any(String));
    expect((await post({ ...form, access_type: "offline" })).body.refresh_token).toEqual(expect.any(String));
  });

  it("not to nobody, and not to whoever is refused", async () => {
    const query = `service=${ON}&offline_token=true`;
    const anonymous = await askRegistryToken(berth, `${query}&scope=repository:acme/app:pull`);
    expect(anonymous.status).toBe(200);
    expect(anonymous.body).not.toHaveProperty("refresh_token");
    expect(await askRegistryToken(berth, query, ["acme+ci", "hunter2"])).not.toHaveProperty("body.refresh_token");
  });

  it("not for a static token, which is none itself", async () => {
    const { name, path } = await newRobot();
    const { token } = (await berth.api("POST", `${path}/regenerate`, {})).body;
    const { status, body } = await login(name, token);
    expect([status, "refresh_token" in body]).toEqual([200, false]);
  });

  it("no more once the registry is told to give none, and those given are none any more", async () => {
    const service = `switched-${made}.example`;
    await berth.api("POST", "/registries", { service, refresh_tokens: true });
    const { name, token } = await newRobot();
    const { refresh_token } = (await login(name, token, service)).body;
    await berth.api("PATCH", `/registries/${service}`, { refresh_tokens: false });
    expect((await login(name, token, service)).body).not.toHaveProperty("refresh_token");
    expect((await refresh(refresh_token, { service })).status).toBe(401);
  });
});

describe("a refresh token", () => {
  it("is good for ten uses by either method, and does not change", async () => {
    const { name, refreshToken } = await newRefreshToken();
    for (let use = 0; use < 5; use += 1) {
      const { status, body } = await refresh(refreshToken);
      expect([status, body.scope, decodeJwt(body.token).sub]).toEqual([200, "repository:acme/app:pull", name]);
      const query = `service=${ON}&scope=repository:acme/app:pull`;
      const got = await askRegistryToken(berth, query, ["", refreshToken]);
      expect(decodeJwt(got.body.token)).toMatchObject({ sub: name, access: [{ name: "acme/app" }] });
    }
  });

  it("is given again, as good as the first and no longer", async () => {
    const { refreshToken } = await newRefreshToken();
    const { body } = await refresh(refreshToken, { access_type: "offline" });
    expect(decodeJwt(body.refresh_token).exp).toBe(decodeJwt(refreshToken).exp);
    expect((await refresh(body.refresh_token)).status).toBe(200);
  });

  it("is held to what its robot token was narrowed to", async () => {
    const { refreshToken } = await newRefreshToken({ scope: "repository:acme/app:pull" });
    const { body } = await refresh(refreshToken, { scope: "repository:acme/app:pull,push repository:acme/b:pull" });
    expect(body.scope).toBe("repository:acme/app:pull");
  });

  it("is of its own registry alone", async () => {
    const { refreshToken } = await newRefreshToken();
    for (const service of [OTHER, berth.host, ""]) {
      reasonOf(await refresh(refreshToken, { service }));
      reasonOf(await askRegistryToken(berth, `service=${service}`, ["", refreshToken]));
    }
  });

  it("is never a password of a user's, its own robot's name or any other", async () => {
    const { name, refreshToken } = await newRefreshToken();
    for (const username of [name, "acme+other", "token", "<token>", "00000000-0000-0000-0000-000000000000"]) {
      reasonOf(await askRegistryToken(berth, `service=${ON}`, [username, refreshToken]));
      reasonOf(await post({ grant_type: "password", username, password: refreshToken, service: ON }));
    }
  });

  it("opens no other door", async () => {
    const { name, refreshToken } = await newRefreshToken();
    expect((await berth.exchange(name, refreshToken)).status).toBe(400);
    for (const at of ["/api/v1/user/", "/v2/"]) {
      const { status } = await call(berth.url + at, { headers: { authorization: `Bearer ${refreshToken}` } });
      expect(status).toBe(401);
    }
    const { status } = await call(`${berth.url}/api/v1/user/`, {
      headers: { authorization: basic(name, refreshToken) },
    });
    expect(status).toBe(401);
  });

  it.each<[string, (text: string) => string]>([
    [
      "another header",
      (text) => text.replace(/^[^.]+/, Buffer.from('{"alg":"none","typ":"berth-refresh+jwt"}').toString("base64url")),
    ],
    [
      "another payload",
      (text) => text.replace(/\.[^.]+\./, `.${Buffer.from('{"service":"x"}').toString("base64url")}.`),
    ],
    ["no signature", (text) => text.replace(/[^.]+$/, "")],
    ["padding", (text) => `${text}=`],
    ["a space before it", (text) => ` ${text}`],
  ])("is refused with %s", async (_, alter) => {
    const { refreshToken } = await newRefreshToken();
    reasonOf(await refresh(alter(refreshToken)));
  });

  it("is in no log line", async () => {
    const { refreshToken } = await newRefreshToken();
    await refresh(refreshToken);
    reasonOf(await refresh(`${refreshToken}A`));
    expect(berth.log.join("\n")).not.toContain(refreshToken.split(".")[2]);
  });
});

describe("a refresh token dies with its robot token", () => {
  type Minted = Awaited<ReturnType<typeof newRefreshToken>>;
  const federate = ({ path, entry }: Minted, change: object) =>
    berth.api("POST", `${path}/federation`, [{ ...entry, ...change }]);

  it.each<[string, (minted: Minted) => Promise<{ status: number }>]>([
    ["when that is revoked", ({ token }) => revoke(token)],
    ["when it is revoked itself, which ends the robot token too", ({ refreshToken }) => revoke(refreshToken)],
    ["when its robot is disabled", ({ path }) => berth.api("PATCH", path, { disabled: true })],
    ["when its robot is deleted", ({ path }) => berth.api("DELETE", path)],
    ["when its binding is deleted", ({ path }) => berth.api("DELETE", `${path}/federation`)],
    ["when its binding changes", (minted) => federate(minted, { audiences: ["x"] })],
    ["when its binding is narrowed", (minted) => federate(minted, { scope: "repository:acme/a:pull" })],
  ])("%s", async (_, end) => {
    const minted = await newRefreshToken();
    expect((await end(minted)).status).toBeLessThan(300);
    expect(reasonOf(await refresh(minted.refreshToken))).toMatch(/was ended/);
    reasonOf(await login(minted.name, minted.token));
  });

  it("when it expires, and says when that was", async () => {
    const { token, refreshToken } = await newRefreshToken();
    expect(decodeJwt(refreshToken).exp).toBe(decodeJwt(token).exp);
    berth.clock.advance(3599);
    expect((await refresh(refreshToken)).body.expires_in).toBe(900);
    berth.clock.advance(1);
    const expired = new Date((decodeJwt(token).exp ?? 0) * 1000).toISOString();
    expect(reasonOf(await refresh(refreshToken))).toContain(expired);
    berth.clock.advance(-3600);
  });

  it("when the key of robot tokens leaked, but not when it is turned", async () => {
    const { refreshToken } = await newRefreshToken();
    await berth.api("POST", "/keys/rotate", {});
    expect((await refresh(refreshToken)).status).toBe(200);
    await berth.api("POST", "/keys/rotate", { compromised: true });
    reasonOf(await refresh(refreshToken));
  });

  it("and not when the registry's own key is turned, nor when its keys leaked", async () => {
    const { refreshToken } = await newRefreshToken();
    await berth.api("POST", `/registries/${ON}/rotate`, { compromised: true });
    expect((await refresh(refreshToken)).status).toBe(200);
  });
});
