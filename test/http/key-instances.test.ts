import { createHash, randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { alone } from "../../src/store/alone.ts";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { askRegistryToken } from "../support/refusals.ts";

const OLD = randomBytes(32);
const NEW = randomBytes(32);
let postgres: TestPostgres;
let database: Database;
let issuer: TestIssuer;
/** An instance that has the old sealing key alone, and one that seals with the new one already. */
let behind: TestBerth;
let ahead: TestBerth;

beforeAll(async () => {
  [postgres, issuer] = await Promise.all([startPostgres(), startIssuer()]);
  const url = await postgres.createDatabase("instances");
  const environment = {
    DATABASE_URL: url,
    BERTH_ADMIN_TOKEN: "an-admin-token-of-two-instances",
    PUBLIC_URL: `http://127.0.0.1:${await freePort()}`,
  };
  const start = async (...keys: Buffer[]) => {
    const port = await freePort();
    const secretKey = keys.map((key) => key.toString("base64")).join(",");
    const berth = await startBerth({ environment: { ...environment, BERTH_SECRET_KEY: secretKey }, port });
    return { ...berth, url: `http://127.0.0.1:${port}` };
  };
  behind = await start(OLD);
  database = await openPostgres(new Secret(url));
  await behind.createRobot("acme+ci", {
    federation: [{ issuer: issuer.url, subject }],
    grants: [{ repository: "acme/*", actions: ["pull"] }],
  });
  // What has signed once is open.
  expect((await login(behind, await exchanged(behind))).status).toBe(200);
  ahead = await start(NEW, OLD);
});

afterAll(async () => {
  await Promise.all([behind.remove(), ahead.remove(), database.close(), issuer.close()]);
  await postgres.remove();
});

const exchange = async (berth: TestBerth) => berth.exchange("acme+ci", await issuer.sign(`http://${berth.host}`));
async function exchanged(berth: TestBerth): Promise<string> {
  const { status, body } = await exchange(berth);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.token;
}
const login = (berth: TestBerth, robotToken: string, service = "") =>
  askRegistryToken(berth, `service=${service}&scope=repository:acme/app:pull`, ["acme+ci", robotToken]);

let made = 0;
/** A registry that an instance has just made. */
async function aRegistry({ api }: TestBerth, settings: object = {}): Promise<string> {
  made += 1;
  const service = `made${made}.example`;
  expect((await api("POST", "/registries", { service, ...settings })).status).toBe(201);
  return service;
}

it("a registry that one instance made is served by the other at once", async () => {
  const robotToken = await exchanged(ahead);
  for (let round = 0; round < 20; round += 1) {
    const service = await aRegistry(behind);
    const { status, body } = await login(ahead, robotToken, service);
    expect(status, JSON.stringify(body)).toBe(200);
  }
});

describe("an instance that lacks the key that others seal with", () => {
  function expectUnavailable({ status, headers, body }: ApiAnswer): void {
    expect(status, JSON.stringify(body)).toBe(503);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect(JSON.stringify(body)).toMatch(/cannot be opened here/);
    expect(JSON.stringify(body)).not.toContain(idOf(NEW));
  }
  const idOf = (key: Buffer) => createHash("sha256").update(key).digest().subarray(0, 6).toString("base64url");

  it.each(["x5c", "kid"])(
    "signs nothing for a registry of theirs, publishes its keys, and serves others: %s",
    async (key_profile) => {
      const robotToken = await exchanged(ahead);
      const service = await aRegistry(ahead, { key_profile });
      expectUnavailable(await login(behind, robotToken, service));
      expectUnavailable(await askRegistryToken(behind, `service=${service}&scope=repository:a:pull`));
      expect((await login(ahead, robotToken, service)).status).toBe(200);
      expect((await login(behind, robotToken)).status).toBe(200);
      for (const file of ["certs.pem", "jwks.json"]) {
        const published = await call(`${behind.url}/registries/${service}/${file}`);
        expect(published.status).toBe(200);
        expect(published.body).toEqual((await call(`${ahead.url}/registries/${service}/${file}`)).body);
      }
      expect((await behind.api("GET", `/registries/${service}`)).body.keys).not.toEqual([]);
    },
  );

  it("mints no robot tokens with theirs, and takes those that they mint", async () => {
    const before = await exchanged(behind);
    expect((await ahead.api("POST", "/keys/rotate", {})).status).toBe(200);
    behind.clock.advance(1.001);
    expectUnavailable(await exchange(behind));
    for (const robotToken of [before, await exchanged(ahead)]) {
      expect((await login(behind, robotToken)).status).toBe(200);
    }
    expect((await call(`${behind.url}/.well-known/jwks.json`)).body.keys).toHaveLength(3);
  });

  it("says in its log which one it lacks, and who should do what", () => {
    const told = behind.log.filter((line) => line.includes("a signing key cannot be opened"));
    expect(told.length).toBeGreaterThan(0);
    for (const line of told) {
      expect(line).toContain("BERTH_SECRET_KEY");
      expect(line).toContain(`sealed with the key ${idOf(NEW)}, which is not among those given: ${idOf(OLD)}`);
    }
    const all = behind.log.join();
    for (const key of [OLD, NEW]) expect(all).not.toContain(key.toString("base64"));
  });
});

it("rotations that find another session turning keys are told to come again, and logins go on meanwhile", async () => {
  const robotToken = await exchanged(ahead);
  const path = `/registries/${encodeURIComponent(ahead.host)}/rotate`;
  const answers: ApiAnswer[] = [];
  await alone(database.db, async () => {
    const rotations = Array.from({ length: 12 }, async () => {
      answers.push(await ahead.api("POST", path, {}));
    });
    await vi.waitFor(async () => expect(await waiting()).toBeGreaterThan(0), { timeout: 20_000 });
    const answeredBefore = [await login(ahead, robotToken), await exchange(ahead)].map(({ status }) => status);
    expect([answeredBefore, answers.map(({ status }) => status)]).toEqual([[200, 200], []]);
    await Promise.all(rotations);
  });
  for (const { status, headers } of answers) {
    expect(status).toBe(503);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  }
  expect((await ahead.api("POST", path, {})).status).toBe(200);
});

/** How many sessions wait for their turn to change keys. */
async function waiting(): Promise<number> {
  const [row] = (await database.db.execute<{ count: string }>(
    sql`select count(*) from pg_locks where locktype = 'advisory' and not granted`,
  )) as unknown as { count: string }[];
  return Number(row?.count);
}
