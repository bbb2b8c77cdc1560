import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { decodeJwt, decodeProtectedHeader, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { createKeys } from "../../src/services/key-ring.ts";
import { unheard } from "../../src/store/changes.ts";
import { createSealer } from "../../src/tokens/sealing.ts";
import type { SigningKey } from "../../src/tokens/signing-key.ts";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const SERVICE = "refreshing.example";
let postgres: TestPostgres;
let database: Database;
let berth: TestBerth;
let issuer: TestIssuer;
/** What the service signs robot tokens with. */
let key: SigningKey;

beforeAll(async () => {
  [postgres, issuer] = await Promise.all([startPostgres(), startIssuer()]);
  const url = await postgres.createDatabase("disabled");
  const sealingKey = randomBytes(32);
  berth = await startBerth({
    environment: {
      DATABASE_URL: url,
      BERTH_SECRET_KEY: sealingKey.toString("base64"),
      BERTH_ADMIN_TOKEN: "an-admin-token-of-disabled-robots",
    },
  });
  database = await openPostgres(new Secret(url));
  const sealer = await createSealer([new Secret(new Uint8Array(sealingKey))]);
  const { signing } = await createKeys({ db: database.db, sealer, clock: berth.clock, changes: unheard }).robotToken();
  key = await signing();
  const settings = { service: SERVICE, refresh_tokens: true };
  expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
});

afterAll(async () => {
  await Promise.all([berth.remove(), database.close(), issuer.close()]);
  await postgres.remove();
});

const path = (robot: string) => `/organization/acme/robots/${robot}`;

async function set(robot: string, change: object): Promise<void> {
  expect((await berth.api("PATCH", path(robot), change)).status).toBe(200);
}

const bind = (robot: string, trusted = issuer) =>
  berth.createRobot(`acme+${robot}`, { federation: [{ issuer: trusted.url, subject }] });

async function exchange(robot: string): Promise<string> {
  const { status, body } = await berth.exchange(`acme+${robot}`, await issuer.sign(berth.url));
  expect(status, JSON.stringify(body)).toBe(200);
  return body.token;
}

const login = (robot: string, password: string) =>
  call(`${berth.url}/v2/auth?service=${SERVICE}&offline_token=true`, {
    headers: { authorization: basic(`acme+${robot}`, password) },
  });
const refresh = (refreshToken: string) =>
  call(`${berth.url}/v2/auth`, {
    method: "POST",
    body: new URLSearchParams({ service: SERVICE, grant_type: "refresh_token", refresh_token: refreshToken }),
  });

/** A use of each kind of credential that a robot can have. */
async function everyCredential(robot: string): Promise<Record<string, () => Promise<ApiAnswer>>> {
  const robotToken = await exchange(robot);
  const refreshToken = (await login(robot, robotToken)).body.refresh_token;
  const staticToken = (await berth.api("POST", `${path(robot)}/regenerate`, {})).body.token;
  return {
    "robot token": () => login(robot, robotToken),
    "refresh token": () => refresh(refreshToken),
    "static token": () => login(robot, staticToken),
  };
}

async function statusesOf(credentials: Record<string, () => Promise<ApiAnswer>>) {
  const answers = Object.entries(credentials).map(async ([kind, use]) => [kind, (await use()).status] as const);
  return Object.fromEntries(await Promise.all(answers));
}
const all = (status: number) => ({ "robot token": status, "refresh token": status, "static token": status });

describe("a robot that is disabled", () => {
  it("is let in by nothing, and by nothing from before when it is enabled again", async () => {
    await bind("leaky");
    const credentials = await everyCredential("leaky");
    expect(await statusesOf(credentials)).toEqual(all(200));
    await set("leaky", { disabled: true });
    expect(await statusesOf(credentials)).toEqual(all(401));
    await set("leaky", { disabled: false });
    expect(await statusesOf(credentials)).toEqual(all(401));
    berth.clock.advance(2);
    expect(await statusesOf(credentials)).toEqual(all(401));
  });

  it("gets new ones at once when it is enabled again, any number of times", async () => {
    await bind("again");
    const earlier: Record<string, () => Promise<ApiAnswer>>[] = [];
    for (const _ of ["once", "twice"]) {
      const credentials = await everyCredential("again");
      expect(await statusesOf(credentials)).toEqual(all(200));
      for (const one of earlier) expect(await statusesOf(one)).toEqual(all(401));
      earlier.push(credentials);
      await set("again", { disabled: true });
      await set("again", { disabled: true });
      await set("again", { disabled: false });
    }
  });

  it("is the only one that loses anything, and other changes of a robot end nothing", async () => {
    await Promise.all([bind("steady"), bind("gone")]);
    const credentials = await everyCredential("steady");
    await set("gone", { disabled: true });
    await set("steady", { description: "of another kind" });
    await set("steady", { disabled: false });
    expect(await statusesOf(credentials)).toEqual(all(200));
  });
});

it("an exchange under way while its robot is disabled and enabled is judged by what holds then", async () => {
  const slow = await startIssuer();
  try {
    await bind("raced", slow);
    const held: ServerResponse[] = [];
    slow.answer("/jwks", (_, response) => held.push(response));
    // A key that Berth has not seen yet, so that it looks.
    await slow.rotate();
    const token = await slow.sign(berth.url);
    const underway = Promise.all(Array.from({ length: 5 }, () => berth.exchange("acme+raced", token)));
    await vi.waitFor(() => expect(held).toHaveLength(1), { timeout: 20_000 });
    await set("raced", { disabled: true });
    await set("raced", { disabled: false });
    slow.answer("/jwks", undefined);
    const keys = JSON.stringify((await call(`${slow.url}/jwks`)).body);
    for (const response of held) response.writeHead(200, { "content-type": "application/json" }).end(keys);
    for (const { status, body } of await underway) {
      // Whoever is let in by what holds now is let in with a token of now.
      if (status === 200) expect((await login("raced", body.token)).status).toBe(200);
      else expect([400, 503]).toContain(status);
    }
    const { body } = await berth.exchange("acme+raced", token);
    expect((await login("raced", body.token)).status).toBe(200);
  } finally {
    await slow.close();
  }
});

it("disabling and enabling amid a crowd of exchanges leaves no token from before", async () => {
  await bind("crowded");
  for (let round = 0; round < 5; round += 1) {
    const token = await issuer.sign(berth.url);
    const before = Array.from({ length: 8 }, () => berth.exchange("acme+crowded", token));
    // Some of them are answered before it, some judged before it and answered after.
    await set("crowded", { disabled: true });
    const answers = await Promise.all(before);
    await set("crowded", { disabled: false });
    for (const { status, body } of answers) {
      if (status === 200) expect((await login("crowded", body.token)).status).toBe(401);
    }
    expect((await login("crowded", await exchange("crowded"))).status).toBe(200);
  }
});

it("a robot token of a version that minted no epoch is good until the robot is disabled", async () => {
  await bind("older");
  const minted = await exchange("older");
  const { epoch, ...claims } = decodeJwt(minted);
  expect(epoch).toBe(0);
  const { alg, ...header } = decodeProtectedHeader(minted);
  const token = await new SignJWT(claims).setProtectedHeader({ alg: alg ?? "", ...header }).sign(key.privateKey);
  expect(decodeProtectedHeader(token).kid).toBe(key.kid);
  expect((await login("older", token)).status).toBe(200);
  await set("older", { disabled: true });
  await set("older", { disabled: false });
  expect((await login("older", token)).status).toBe(401);
  expect((await login("older", await exchange("older"))).status).toBe(200);
});
