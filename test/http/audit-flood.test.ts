import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { subject } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { createSigner, type Signer } from "../support/signer.ts";

const issuer = "https://ci.invalid";
let dataDir: string;
let port: number;
let berth: TestBerth;
let signer: Signer;
let robot: Awaited<ReturnType<typeof makeRobot>>;

const start = () => startBerth({ environment: { BERTH_AUDIT_REFUSALS_PER_MINUTE: "20" }, dataDir, port });

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "berth-flood-"));
  port = await freePort();
  signer = await createSigner(issuer, "key", "ES256");
  berth = await start();
  await register(berth, issuer, { jwks: { keys: [signer.jwk] } });
});

afterAll(async () => {
  await berth.stop();
  await rm(dataDir, { recursive: true, force: true });
});

beforeEach(async () => {
  berth.clock.advance(60);
  robot = await makeRobot(berth, { issuer, subject });
});

type AuditRecord = { readonly code: string | null; readonly metadata: Record<string, unknown> };

const list = async (query: string): Promise<AuditRecord[]> =>
  (await berth.api("GET", `/logs?limit=500&${query}`)).body.logs;
const recorded = () => list(`robot=${encodeURIComponent(robot.name)}&outcome=refused`);
const summaries = () => list("kind=federated_robot_token_refusals");

/** 50 refusals of four kinds, none of which proved anything. */
async function flood(): Promise<void> {
  const forged = `${(await signer.sign(berth.url)).split(".", 2).join(".")}.${Buffer.alloc(64).toString("base64url")}`;
  const unbound = await signer.sign(berth.url, { iss: "https://other.invalid" });
  const symmetric = await signer.sign(berth.url).then((token) => {
    const header = Buffer.from(JSON.stringify({ alg: "HS256", kid: "key" })).toString("base64url");
    return [header, ...token.split(".").slice(1)].join(".");
  });
  for (const [token, times] of [
    ["nonsense", 10],
    [forged, 20],
    [unbound, 15],
    [symmetric, 5],
  ] as const) {
    for (let attempt = 0; attempt < times; attempt += 1) expect((await robot.exchange(token)).status).toBe(400);
  }
}

const counted = {
  count: 45,
  codes: { token_malformed: 5, signature_invalid: 20, issuer_unbound: 15, alg_not_allowed: 5 },
};

describe("a flood of refusals that prove nothing", () => {
  it("leaves as many records a minute as it may, and one more that counts the others", async () => {
    const before = await summaries();
    await flood();
    expect((await recorded()).map(({ code }) => code)).toEqual(Array(5).fill("token_malformed"));
    expect(await summaries()).toHaveLength(before.length);

    berth.clock.advance(60);
    await robot.exchange("nonsense");
    const [summary, ...rest] = await summaries();
    expect(rest).toEqual(before);
    expect(summary).toMatchObject({
      kind: "federated_robot_token_refusals",
      outcome: "refused",
      code: null,
      organization: null,
      robot: null,
      ip: null,
      metadata: counted,
    });
    const { from, to } = { ...summary?.metadata };
    expect(Date.parse(String(to)) - Date.parse(String(from))).toBeGreaterThanOrEqual(59_000);
    expect(await recorded()).toHaveLength(6);
  });

  it("hides no refusal of a verified token, and no success", async () => {
    await flood();
    const good = await signer.sign(berth.url);
    const stranger = await signer.sign(berth.url, { sub: "repo:mallory/app:ref:refs/heads/main" });
    const expired = await signer.sign(berth.url, { iat: 1, nbf: 1, exp: 2 });
    for (let attempt = 0; attempt < 10; attempt += 1) {
      expect((await robot.exchange(stranger)).body.code).toBe("subject_mismatch");
      expect((await robot.exchange(expired)).body.code).toBe("expired");
      expect((await robot.exchange(good)).status).toBe(200);
    }
    const codes = (await recorded()).map(({ code }) => code);
    expect(codes.filter((code) => code === "subject_mismatch")).toHaveLength(10);
    // A token that is no longer good proves nothing of who brings it: old logs are full of them.
    expect(codes.filter((code) => code === "expired")).toHaveLength(0);
    expect(codes).toHaveLength(15);
    expect(
      await list(`robot=${encodeURIComponent(robot.name)}&outcome=success&kind=federated_robot_token_exchange`),
    ).toHaveLength(10);
  });

  it("is counted to the last, also when the service ends before the minute does", async () => {
    berth.clock.advance(60);
    await robot.exchange("nonsense");
    const before = await summaries();
    berth.clock.advance(60);
    await flood();
    await berth.stop();
    berth = await start();
    const [summary, ...rest] = await summaries();
    expect(rest).toEqual(before);
    expect(summary?.metadata).toMatchObject(counted);
    expect(await recorded()).toHaveLength(6);
  });

  it("that comes in bits is recorded one by one, with nothing to sum up", async () => {
    const before = await summaries();
    for (let minute = 0; minute < 3; minute += 1) {
      for (let attempt = 0; attempt < 5; attempt += 1) await robot.exchange("nonsense");
      berth.clock.advance(60);
    }
    expect(await recorded()).toHaveLength(15);
    await robot.exchange("nonsense");
    expect((await summaries()).length).toBe(before.length);
  });
});
