import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { subject } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { expectRefusal, expectRefusalRecord, jwtType, tokenExchange } from "../support/refusals.ts";
import { createSigner } from "../support/signer.ts";

let berth: TestBerth;

/** Runs a suite before the service with such figures, behind a proxy that it trusts. */
function describeWithin(title: string, figures: Record<string, string>, suite: () => void): void {
  describe(title, () => {
    beforeAll(async () => {
      const named = Object.entries(figures).map(([name, value]) => [`BERTH_RATE_LIMIT_${name}`, value]);
      berth = await startBerth({
        environment: {
          BERTH_RATE_LIMITS: "on",
          BERTH_TRUSTED_PROXIES: "127.0.0.0/8",
          ...Object.fromEntries(named),
        },
      });
    });
    afterAll(() => berth.remove());
    suite();
  });
}

let made = 0;

/** A robot with an issuer of its own, a token that is good for it, and one that was forged. */
async function makeJob(settings: object = {}) {
  made += 1;
  const issuer = `https://ci-${made}.invalid`;
  const signer = await createSigner(issuer, "key", "ES256");
  await register(berth, issuer, { jwks: { keys: [signer.jwk] }, ...settings });
  const bind = () => makeRobot(berth, { issuer, subject });
  const sign = (claims: object = {}) => signer.sign(berth.url, { ...claims });
  const good = await sign();
  const forged = `${good.slice(0, good.lastIndexOf("."))}.${Buffer.alloc(64).toString("base64url")}`;
  return { robot: await bind(), good, forged, sign, bind };
}

function exchangeFrom(address: string, { name }: { name: string }, token: string): Promise<ApiAnswer> {
  return call(`${berth.url}/oauth2/federation/robot/token`, {
    headers: { authorization: basic(name, token), "x-forwarded-for": address },
  });
}

/** How often it came through before the limit, which the last answer tells of. */
async function exhaust(attempt: () => Promise<ApiAnswer>): Promise<{ times: number; answer: ApiAnswer }> {
  for (let times = 0; times < 1000; times += 1) {
    const answer = await attempt();
    if (answer.status === 429) return { times, answer };
  }
  throw new Error("there is no limit");
}

async function expectLimited(answer: ApiAnswer, by: "address" | "robot" | "issuer", perMinute: number) {
  expectRefusal(answer, 429, "rate_limited");
  const wait = Number(answer.headers.get("retry-after"));
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(60 / perMinute);
  const { metadata } = await expectRefusalRecord(berth, answer, "rate_limited");
  expect(metadata).toMatchObject({ reason: { by, retryAfter: wait }, token_verified: by !== "address" });
}

/** An address that nobody else uses. */
function newAddress(): string {
  made += 1;
  return `192.0.2.${made}`;
}

const perAddress = { EXCHANGES_PER_ADDRESS: "3", EXEMPT: "198.51.100.0/24,2001:db8:ffff::/48" };

describeWithin("the exchanges of an address", perAddress, () => {
  it("are limited, and nobody else's with them; in time there is one more", async () => {
    const { robot, good } = await makeJob();
    const address = newAddress();
    const { times, answer } = await exhaust(() => exchangeFrom(address, robot, good));
    expect(times).toBe(3);
    await expectLimited(answer, "address", 3);
    expect((await exchangeFrom(newAddress(), robot, good)).status).toBe(200);
    berth.clock.advance(20);
    expect((await exchangeFrom(address, robot, good)).status).toBe(200);
    expect((await exchangeFrom(address, robot, good)).status).toBe(429);
  });

  it("are limited by either route", async () => {
    const { robot, good } = await makeJob();
    const address = newAddress();
    await exhaust(() => exchangeFrom(address, robot, good));
    const body = new URLSearchParams({
      grant_type: tokenExchange,
      subject_token: good,
      subject_token_type: jwtType,
      resource: `urn:berth:robot:${robot.name}`,
    });
    const headers = { "x-forwarded-for": address };
    expectRefusal(await call(`${berth.url}/oauth2/token`, { method: "POST", headers, body }), 429, "rate_limited");
  });

  it("are counted by the network of an IPv6 host", async () => {
    const { robot, good } = await makeJob();
    let host = 0;
    const { times } = await exhaust(() => {
      host += 1;
      return exchangeFrom(`2001:db8:1:2:${host}::${host}`, robot, good);
    });
    expect(times).toBe(3);
    expect((await exchangeFrom("2001:db8:1:3::1", robot, good)).status).toBe(200);
  });

  it("are one address's, whether IPv4 is written as itself or in IPv6", async () => {
    const { robot, good } = await makeJob();
    const address = newAddress();
    await exhaust(() => exchangeFrom(address, robot, good));
    expect((await exchangeFrom(`::ffff:${address}`, robot, good)).status).toBe(429);
    expect((await exchangeFrom(`::ffff:${newAddress()}`, robot, good)).status).toBe(200);
  });

  it("are not limited for exempt networks", async () => {
    const { robot, good } = await makeJob();
    for (const address of ["198.51.100.1", "::ffff:198.51.100.1", "2001:db8:ffff::1"]) {
      for (let attempt = 0; attempt < 5; attempt += 1) {
        expect((await exchangeFrom(address, robot, good)).status).toBe(200);
      }
    }
  });
});

describeWithin("the refusals of an address", { REFUSALS_PER_ADDRESS: "2" }, () => {
  it("are limited more narrowly: then not even a good token is looked at from there", async () => {
    const { robot, good, forged } = await makeJob();
    const address = newAddress();
    const { times } = await exhaust(() => exchangeFrom(address, robot, forged));
    expect(times).toBe(2);
    await expectLimited(await exchangeFrom(address, robot, good), "address", 2);
    expect((await exchangeFrom(newAddress(), robot, good)).status).toBe(200);
    for (let attempt = 0; attempt < 10; attempt += 1) await exchangeFrom(address, robot, forged);
    berth.clock.advance(30);
    expect((await exchangeFrom(address, robot, good)).status).toBe(200);
  });

  it("are those of tokens that nobody could read, too", async () => {
    const { robot } = await makeJob();
    const address = newAddress();
    expect((await exhaust(() => exchangeFrom(address, robot, "nonsense"))).times).toBe(2);
  });

  it("are not those of an issuer that is down, which is not the caller's fault", async () => {
    const { robot, good, sign } = await makeJob();
    const issuer = "https://down.invalid";
    const bound = await makeRobot(berth, { issuer, subject });
    const address = newAddress();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expectRefusal(await exchangeFrom(address, bound, await sign({ iss: issuer })), 503, "issuer_unreachable");
    }
    expect((await exchangeFrom(address, robot, good)).status).toBe(200);
  });
});

const crowded = {
  EXCHANGES_PER_ADDRESS: "20",
  REFUSALS_PER_ADDRESS: "5",
  EXCHANGES_PER_ROBOT: "10",
  EXCHANGES_PER_ISSUER: "10",
};

describeWithin("a stranger who knows a robot's name", crowded, () => {
  it("cannot keep the real job out by a flood of forgeries", async () => {
    const { robot, good, forged } = await makeJob();
    for (let attempt = 0; attempt < 100; attempt += 1) {
      await exchangeFrom(`198.51.100.${attempt}`, robot, attempt % 2 ? forged : "nonsense");
    }
    await exhaust(() => exchangeFrom("203.0.113.1", robot, forged));
    const address = newAddress();
    for (let job = 0; job < 10; job += 1) expect((await exchangeFrom(address, robot, good)).status).toBe(200);
  });

  it("cannot do it with good tokens of his own, where the issuer has many tenants", async () => {
    const { robot, good, sign } = await makeJob();
    const stranger = await sign({ sub: "repo:mallory/app:ref:refs/heads/main" });
    for (let attempt = 0; attempt < 30; attempt += 1) {
      expectRefusal(await exchangeFrom(`198.51.100.1${attempt}`, robot, stranger), 400, "subject_mismatch");
    }
    const address = newAddress();
    for (let job = 0; job < 10; job += 1) expect((await exchangeFrom(address, robot, good)).status).toBe(200);
  });
});

const verified = { EXCHANGES_PER_ROBOT: "2", EXCHANGES_PER_ISSUER: "3" };

describeWithin("the exchanges of verified tokens", verified, () => {
  it("are limited for each robot, from wherever they come", async () => {
    const { robot, good, bind } = await makeJob();
    const other = await bind();
    const { times, answer } = await exhaust(() => exchangeFrom(newAddress(), robot, good));
    expect(times).toBe(2);
    await expectLimited(answer, "robot", 2);
    expect((await exchangeFrom(newAddress(), other, good)).status).toBe(200);
    berth.clock.advance(30);
    expect((await exchangeFrom(newAddress(), robot, good)).status).toBe(200);
    expect(await robot.bindings()).toMatchObject([{ use_count: 3 }]);
  });

  it("are limited for each issuer, for whatever robot they are", async () => {
    const { robot, good, bind } = await makeJob();
    const other = await bind();
    let turn = 0;
    const { times, answer } = await exhaust(() => {
      turn += 1;
      return exchangeFrom(newAddress(), turn % 2 ? robot : other, good);
    });
    expect(times).toBe(3);
    await expectLimited(answer, "issuer", 3);
    const unconcerned = await makeJob();
    expect((await exchangeFrom(newAddress(), unconcerned.robot, unconcerned.good)).status).toBe(200);
  });

  it("that come too often use up no token that is good once", async () => {
    const { robot, sign } = await makeJob({ replay_protection: true });
    const exchange = async (token: string) => (await exchangeFrom(newAddress(), robot, token)).status;
    const tokens = await Promise.all([1, 2, 3].map(() => sign({ jti: randomUUID() })));
    const [first = "", second = "", third = ""] = tokens;
    expect([await exchange(first), await exchange(second), await exchange(third)]).toEqual([200, 200, 429]);
    berth.clock.advance(60);
    expect(await exchange(third)).toBe(200);
  });
});

describe("the limits", () => {
  it("are not to be got around by a header that nobody vouches for", async () => {
    berth = await startBerth({
      environment: { BERTH_RATE_LIMITS: "on", BERTH_RATE_LIMIT_EXCHANGES_PER_ADDRESS: "3" },
    });
    const { robot, good } = await makeJob();
    expect((await exhaust(() => exchangeFrom(newAddress(), robot, good))).times).toBe(3);
    await berth.remove();
  });

  it("do not hold where they are off", async () => {
    berth = await startBerth({
      environment: { BERTH_RATE_LIMITS: "off", BERTH_RATE_LIMIT_EXCHANGES_PER_ADDRESS: "1" },
    });
    const { robot, good } = await makeJob();
    for (let attempt = 0; attempt < 5; attempt += 1) expect((await robot.exchange(good)).status).toBe(200);
    await berth.remove();
  });
});
