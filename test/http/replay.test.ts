import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { openPostgres } from "../../src/ports/node/database.ts";
import { maintain } from "../../src/services/bootstrap.ts";
import { usedTokens } from "../../src/store/schema.ts";
import { createSealer } from "../../src/tokens/sealing.ts";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";
import { createSigner } from "../support/signer.ts";

let postgres: TestPostgres;
let issuer: TestIssuer;

beforeAll(async () => {
  [postgres, issuer] = await Promise.all([startPostgres(), startIssuer()]);
});

afterAll(async () => {
  await Promise.all([postgres.remove(), issuer.close()]);
});

const sealingKey = randomBytes(32);
const environments = {
  embedded: async () => ({}),
  PostgreSQL: async () => ({
    DATABASE_URL: await postgres.createDatabase("replay"),
    BERTH_SECRET_KEY: sealingKey.toString("base64"),
  }),
};

describe.each(["embedded", "PostgreSQL"] as const)("a token of an issuer with replay protection, %s", (kind) => {
  let berth: TestBerth;
  let environment: { readonly DATABASE_URL?: string };

  beforeAll(async () => {
    environment = await environments[kind]();
    berth = await startBerth({ environment });
    await register(berth, issuer.url, { replay_protection: true });
  });

  afterAll(() => berth.remove());

  const sign = (claims: object = {}) => issuer.sign(berth.url, { jti: randomUUID(), ...claims });
  const makeBound = (given: object = {}) => makeRobot(berth, { issuer: issuer.url, subject, ...given });

  it("is good once for a robot, and the refusal names the first use", async () => {
    const robot = await makeBound();
    const token = await sign();
    const first = await robot.exchange(token);
    expect(first.status).toBe(200);
    berth.clock.advance(5);
    const second = await robot.exchange(token);
    expectRefusal(second, 400, "replayed");
    const requestId = first.headers.get("x-request-id");
    const { logs } = (await berth.api("GET", `/logs?request_id=${requestId}`)).body;
    expect(second.body.message).toContain(requestId);
    expect(second.body.message).toContain(logs[0].datetime.slice(0, 16));
    const { metadata } = await expectRefusalRecord(berth, second, "replayed");
    expect(metadata).toMatchObject({ token_verified: true, reason: { code: "replayed", requestId } });
    expect(Math.abs(metadata.reason.at - Date.parse(first.body.issued_at) / 1000)).toBeLessThan(2);
    expect(await robot.bindings()).toMatchObject([{ use_count: 1 }]);
  });

  it("is good once for each robot", async () => {
    const [one, other] = [await makeBound(), await makeBound()];
    const token = await sign();
    for (const robot of [one, other]) {
      expect((await robot.exchange(token)).status).toBe(200);
      expectRefusal(await robot.exchange(token), 400, "replayed");
    }
  });

  it("is told by its jti: another token with the same one is a replay, and one with another is none", async () => {
    const robot = await makeBound();
    const jti = randomUUID();
    expect((await robot.exchange(await sign({ jti }))).status).toBe(200);
    expectRefusal(await robot.exchange(await sign({ jti, run: 2 })), 400, "replayed");
    expect((await robot.exchange(await sign())).status).toBe(200);
  });

  it("mints one robot token, however many come at once", async () => {
    const robot = await makeBound();
    const token = await sign();
    const answers = await Promise.all(Array.from({ length: 20 }, () => robot.exchange(token)));
    const granted = answers.filter(({ status }) => status === 200);
    expect(granted).toHaveLength(1);
    for (const answer of answers) if (answer !== granted[0]) expectRefusal(answer, 400, "replayed");
    expect(await robot.bindings()).toMatchObject([{ use_count: 1 }]);
  });

  it("is not used up by an exchange that is refused, nor counted", async () => {
    const robot = await makeBound({ claims: { ref: { equals: "main" } } });
    const token = await sign({ ref: "other" });
    for (let attempt = 0; attempt < 2; attempt += 1) expectRefusal(await robot.exchange(token), 400, "claim_mismatch");
    const [{ id }] = await robot.bindings();
    await robot.federate({ id, issuer: issuer.url, subject, claims: { ref: { equals: "other" } } });
    expect(await robot.bindings()).toMatchObject([{ use_count: 0, last_used: null }]);
    expect((await robot.exchange(token)).status).toBe(200);
    expect(await robot.bindings()).toMatchObject([{ use_count: 1 }]);
  });

  it("must have a jti", async () => {
    const robot = await makeBound();
    const refused = await robot.exchange(await sign({ jti: undefined }));
    expectRefusal(refused, 400, "claim_invalid");
    expect(refused.body.message).toContain("jti");
    await expectRefusalRecord(berth, refused, "claim_invalid");
    expect(await robot.bindings()).toMatchObject([{ use_count: 0 }]);
  });

  it("is remembered through a change of the issuer", async () => {
    const robot = await makeBound();
    const token = await sign();
    expect((await robot.exchange(token)).status).toBe(200);
    const [{ issuer_id: id }] = await robot.bindings();
    await berth.api("PATCH", `/issuers/${id}`, { name: "changed" });
    expectRefusal(await robot.exchange(token), 400, "replayed");
  });

  if (kind === "PostgreSQL") {
    it("is forgotten a while after it expired, when no instance's clock lets it pass any more, and not before", async () => {
      const robot = await makeBound();
      const jti = randomUUID();
      const exp = Math.floor(berth.clock.now() / 1000) + 100;
      expect((await robot.exchange(await sign({ jti, exp }))).status).toBe(200);
      const { db, close } = await openPostgres(new Secret(environment.DATABASE_URL ?? ""));
      const sealer = await createSealer([new Secret(new Uint8Array(sealingKey))]);
      const remembered = async () => (await db.select().from(usedTokens)).some((one) => one.jti === jti);
      const clean = (seconds: number) =>
        maintain(db, {
          config: { auditRetentionDays: 0 },
          sealer,
          clock: { now: () => seconds * 1000 },
          random: { uuid: randomUUID },
        });
      await clean(exp + 329);
      expect(await remembered()).toBe(true);
      await clean(exp + 331);
      expect(await remembered()).toBe(false);
      await close();
    });
  }
});

describe("replay protection", () => {
  let berth: TestBerth;
  const cluster = "https://ci.invalid";

  beforeAll(async () => {
    berth = await startBerth();
  });

  afterAll(() => berth.remove());

  /** How a token fares that is shown twice, of an issuer that was registered so. */
  async function twice(settings: object): Promise<readonly (number | string)[]> {
    const signer = await createSigner(cluster);
    const { id } = await register(berth, cluster, { jwks: { keys: [signer.jwk] }, ...settings });
    const robot = await makeRobot(berth, { issuer: cluster, issuer_id: id, subject });
    const token = await signer.sign(berth.url, { jti: randomUUID() });
    const answers = [await robot.exchange(token), await robot.exchange(token)];
    return answers.map(({ status, body }) => body.code ?? status);
  }

  it.each<[string, object, string | number]>([
    ["off by default", {}, 200],
    ["on for GitHub's preset", { preset: "github-actions" }, "replayed"],
    ["off for GitLab's, whose token serves a whole job", { preset: "gitlab" }, 200],
    ["off where it is registered so, whatever the preset", { preset: "github-actions", replay_protection: false }, 200],
    ["on where it is registered so, whatever the preset", { preset: "gitlab", replay_protection: true }, "replayed"],
  ])("is %s", async (_, settings, second) => {
    expect(await twice(settings)).toEqual([200, second]);
  });

  it("of two issuers with one string are two: what one has seen the other has not", async () => {
    const jti = randomUUID();
    const signers = await Promise.all([createSigner(cluster), createSigner(cluster)]);
    const federation: object[] = [];
    for (const { jwk } of signers) {
      const { id } = await register(berth, cluster, { jwks: { keys: [jwk] }, replay_protection: true });
      federation.push({ issuer: cluster, issuer_id: id, subject });
    }
    const robot = await makeRobot(berth, ...federation);
    for (const { sign } of signers) {
      const token = await sign(berth.url, { jti });
      expect((await robot.exchange(token)).status).toBe(200);
      expectRefusal(await robot.exchange(token), 400, "replayed");
    }
  });
});
