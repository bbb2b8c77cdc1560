import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { maintain } from "../../src/services/bootstrap.ts";
import { createSealer } from "../../src/tokens/sealing.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { askRegistryToken } from "../support/refusals.ts";

let postgres: TestPostgres;
let database: Database;
let issuer: TestIssuer;
/** Two instances behind one address, and what one of them needs to maintain keys. */
let one: TestBerth;
let other: TestBerth;
let maintainOnce: () => Promise<void>;

beforeAll(async () => {
  [postgres, issuer] = await Promise.all([startPostgres(), startIssuer()]);
  const url = await postgres.createDatabase("keys");
  const sealingKey = randomBytes(32);
  const environment = {
    DATABASE_URL: url,
    BERTH_SECRET_KEY: sealingKey.toString("base64"),
    BERTH_ADMIN_TOKEN: "an-admin-token-of-two-instances",
    PUBLIC_URL: `http://127.0.0.1:${await freePort()}`,
  };
  // Both bring the empty database up at once.
  [one, other] = await Promise.all([startInstance(environment), startInstance(environment)]);
  database = await openPostgres(new Secret(url));
  const sealer = await createSealer([new Secret(new Uint8Array(sealingKey))]);
  maintainOnce = () =>
    maintain(database.db, {
      config: { auditRetentionDays: 0 },
      sealer,
      clock: { now: () => Date.now() + 10 * 365 * 24 * 3600 * 1000 },
      random: { uuid: randomUUID },
    });
  await one.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
});

afterAll(async () => {
  await Promise.all([one.stop(), other.stop(), database.close(), issuer.close()]);
  await postgres.remove();
});

/** Asked at a port of its own, whatever its public address is. */
async function startInstance(environment: Record<string, string>): Promise<TestBerth> {
  const port = await freePort();
  const berth = await startBerth({ environment, port });
  return { ...berth, url: `http://127.0.0.1:${port}` };
}

const path = () => `/registries/${encodeURIComponent(one.host)}`;

interface Key {
  readonly purpose: string;
  readonly status: string;
}
async function standing(): Promise<string[]> {
  const { body } = await one.api("GET", path());
  return body.keys
    .filter(({ status }: Key) => status === "active" || status === "next")
    .map(({ purpose, status }: Key) => `${status} ${purpose}`)
    .sort();
}
const whole = ["active authority", "active signing", "next authority", "next signing"];

describe("keys that several turn at once", () => {
  it("are one active and one next of each at the first start of two instances", async () => {
    expect(await standing()).toEqual(whole);
    const names = async ({ url }: TestBerth) => (await call(`${url}/.well-known/jwks.json`)).body;
    expect(await names(one)).toEqual(await names(other));
    expect((await names(one)).keys).toHaveLength(2);
  });

  it("are one active and one next of each, whoever rotates, maintains or ends them meanwhile", async () => {
    const bodies = [{}, { authority: true, force: true }, { compromised: true }, {}, { force: true }];
    const answers = await Promise.all([
      ...bodies.flatMap((body) => [one, other].map((berth) => berth.api("POST", `${path()}/rotate`, body))),
      ...[one, other].map((berth) => berth.api("POST", "/keys/rotate", {})),
      ...[one, other].map((berth) => berth.api("PATCH", path(), { rotation_days: 30 })),
    ]);
    await Promise.all([maintainOnce(), maintainOnce(), one.api("POST", `${path()}/rotate`, {}), maintainOnce()]);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(await standing()).toEqual(whole);
    const { body } = await call(`${one.url}/.well-known/jwks.json`);
    expect(new Set(body.keys.map(({ kid }: { kid: string }) => kid)).size).toBe(body.keys.length);
  });

  it("are made for a registry that both instances create at once, by one of them", async () => {
    const answers = await Promise.all(
      [one, other, one, other].map((berth) => berth.api("POST", "/registries", { service: "raced.example" })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400, 400]);
    const { body } = await other.api("GET", "/registries/raced.example");
    expect(body.keys).toHaveLength(4);
  });

  it("are turned or deleted, and nothing breaks when both are asked for", async () => {
    await one.api("POST", "/registries", { service: "doomed.example" });
    const answers = await Promise.all([
      one.api("POST", "/registries/doomed.example/rotate", {}),
      other.api("DELETE", "/registries/doomed.example"),
      one.api("PATCH", "/registries/doomed.example", { key_profile: "kid" }),
      other.api("POST", "/registries/doomed.example/rotate", { compromised: true }),
      ...Array.from({ length: 5 }, () => askRegistryToken(one, "service=doomed.example&scope=repository:a:pull")),
    ]);
    for (const { status, body } of answers) expect([200, 204, 400, 404], JSON.stringify(body)).toContain(status);
    expect((await one.api("GET", "/registries/doomed.example")).status).toBe(404);
  });
});

describe("a key that leaked", () => {
  const login = async (berth: TestBerth, token: string) =>
    (await askRegistryToken(berth, "", ["acme+ci", token])).status;
  const exchange = async (berth: TestBerth): Promise<string> =>
    (await berth.exchange("acme+ci", await issuer.sign(`http://${berth.host}`))).body.token;

  it("of robot tokens is refused by the other instance a second later, and its new ones at once nowhere", async () => {
    const token = await exchange(one);
    expect([await login(one, token), await login(other, token)]).toEqual([200, 200]);
    await one.api("POST", "/keys/rotate", { compromised: true });
    expect(await login(one, token)).toBe(401);
    const fresh = await exchange(one);
    expect(await login(other, fresh)).toBe(200);
    other.clock.advance(1.001);
    expect(await login(other, token)).toBe(401);
    expect(await login(other, await exchange(other))).toBe(200);
    other.clock.advance(-1.001);
  });

  it("of a registry signs at the other instance no more, a second later", async () => {
    const ask = async (berth: TestBerth): Promise<string> =>
      (await askRegistryToken(berth, "scope=repository:a:pull")).body.token;
    const base = async (berth: TestBerth, token: string) =>
      (await call(`${berth.url}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status;
    const leaked = await ask(other);
    expect(await base(other, leaked)).toBe(200);
    await one.api("POST", `${path()}/rotate`, { compromised: true });
    other.clock.advance(1.001);
    expect(await base(other, leaked)).toBe(401);
    expect(await base(one, await ask(other))).toBe(200);
    other.clock.advance(-1.001);
  });
});
