import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Environment } from "../../src/environment.ts";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let issuer: TestIssuer;
let postgres: TestPostgres;
let dataDir: string;

beforeAll(async () => {
  [issuer, postgres] = await Promise.all([startIssuer(), startPostgres()]);
  dataDir = await mkdtemp(join(tmpdir(), "berth-restart-"));
});

afterAll(async () => {
  await Promise.all([issuer.close(), postgres.remove(), rm(dataDir, { recursive: true, force: true })]);
});

describe.each(["embedded", "PostgreSQL"])("a restart on the %s database", (kind) => {
  it("leaves robots, bindings, grants, keys and tokens as they were", async () => {
    const port = await freePort();
    const environment: Environment = {
      BERTH_ADMIN_TOKEN: "an-admin-token-that-stays-the-same",
      ...(kind === "PostgreSQL" && {
        DATABASE_URL: await postgres.createDatabase("restart"),
        BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
      }),
    };
    const start = () => startBerth({ environment, port, dataDir });

    const first = await start();
    await first.createRobot("acme+ci", {
      federation: [{ issuer: issuer.url, subject, description: "main" }],
      grants: [{ repository: "acme/*", actions: ["pull"] }],
    });
    const external = await issuer.sign(first.url);
    const robotToken = (await first.exchange("acme+ci", external)).body.token;
    const registryToken = (await registryTokenOf(first, robotToken)).body.token;
    const before = await snapshot(first);
    await first.stop();

    const second = await start();
    expect(await snapshot(second)).toEqual(before);
    expect((await registryTokenOf(second, robotToken)).status).toBe(200);
    const base = await call(`${second.url}/v2/`, { headers: { authorization: `Bearer ${registryToken}` } });
    expect(base.status).toBe(200);
    expect((await second.exchange("acme+ci", external)).status).toBe(200);
    await second.stop();
  });
});

function registryTokenOf(berth: TestBerth, robotToken: string) {
  return call(`${berth.url}/v2/auth?scope=repository:acme/app:pull`, {
    headers: { authorization: basic("acme+ci", robotToken) },
  });
}

async function snapshot(berth: TestBerth) {
  const robot = "/organization/acme/robots/ci";
  const [described, federation, grants, keys, certificates] = await Promise.all([
    berth.api("GET", robot),
    berth.api("GET", `${robot}/federation`),
    berth.api("GET", `${robot}/grants`),
    call(`${berth.url}/.well-known/jwks.json`),
    call(`${berth.url}/registries/${encodeURIComponent(berth.host)}/certs.pem`),
  ]);
  const { last_accessed: _, ...robotBody } = described.body;
  return [robotBody, federation.body, grants.body, keys.body, certificates.body];
}
