import type { ServerResponse } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";

let berth: TestBerth;
const issuers: TestIssuer[] = [];

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(async () => {
  await berth.remove();
  await Promise.all(issuers.map((issuer) => issuer.close()));
});

/** An issuer with a robot of its own that trusts it; `prepare` comes before Berth knows of it. */
async function startBound(
  robot: string,
  prepare: (issuer: TestIssuer) => unknown = () => undefined,
): Promise<TestIssuer> {
  const issuer = await startIssuer();
  issuers.push(issuer);
  await prepare(issuer);
  await berth.createRobot(robot, { federation: [{ issuer: issuer.url, subject }] });
  return issuer;
}

const sendJson = (response: ServerResponse, body: unknown) =>
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));

describe("an issuer that is down", () => {
  it("is 503 with Retry-After, and one record says why", async () => {
    const issuer = await startBound("acme+down", (one) => one.close());
    const answer = await berth.exchange("acme+down", await issuer.sign(berth.url));
    expectRefusal(answer, 503, "issuer_unreachable");
    expect(answer.body.error).toBe("temporarily_unavailable");
    expect(answer.headers.get("retry-after")).toMatch(/^[1-9][0-9]?$/);
    const record = await expectRefusalRecord(berth, answer, "issuer_unreachable");
    expect(record.metadata.reason.detail).toContain("ECONNREFUSED");
    expect(answer.body.message).not.toContain("ECONNREFUSED");
  });

  it("is not asked again at once, and is 503 all the same", async () => {
    const issuer = await startBound("acme+failing", (one) =>
      one.answer("/.well-known/openid-configuration", (_, response) => response.writeHead(500).end()),
    );
    const token = await issuer.sign(berth.url);
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expect((await berth.exchange("acme+failing", token)).status).toBe(503);
    }
    expect(issuer.requests).toHaveLength(1);

    issuer.answer("/.well-known/openid-configuration", undefined);
    berth.clock.advance(60);
    expect((await berth.exchange("acme+failing", await issuer.sign(berth.url))).status).toBe(200);
  });

  it("does not keep a job out whose key is known", async () => {
    const issuer = await startBound("acme+cached");
    expect((await berth.exchange("acme+cached", await issuer.sign(berth.url))).status).toBe(200);
    const token = await issuer.sign(berth.url);
    await issuer.close();
    expect((await berth.exchange("acme+cached", token)).status).toBe(200);
  });
});

describe("an issuer that changes its key", () => {
  it("lets a job in whose token is signed with the new one", async () => {
    const issuer = await startBound("acme+rotating");
    expect((await berth.exchange("acme+rotating", await issuer.sign(berth.url))).status).toBe(200);
    await issuer.rotate();
    expect((await berth.exchange("acme+rotating", await issuer.sign(berth.url))).status).toBe(200);
  });

  it("lets all jobs in that come at once", async () => {
    const issuer = await startBound("acme+crowded");
    expect((await berth.exchange("acme+crowded", await issuer.sign(berth.url))).status).toBe(200);
    await issuer.rotate();
    const tokens = await Promise.all(Array.from({ length: 5 }, () => issuer.sign(berth.url)));
    const answers = await Promise.all(tokens.map((token) => berth.exchange("acme+crowded", token)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  });
});

describe("an issuer that answers nonsense", () => {
  const discovery = "/.well-known/openid-configuration";
  const nonsense: [string, (issuer: TestIssuer) => void][] = [
    [
      "HTML",
      (issuer) => issuer.answer("/jwks", (_, r) => r.writeHead(200, { "content-type": "text/html" }).end("<p>")),
    ],
    ["no keys", (issuer) => issuer.answer("/jwks", (_, r) => sendJson(r, { keys: [] }))],
    ["an endless set", (issuer) => issuer.answer("/jwks", (_, r) => sendJson(r, { keys: "x".repeat(200_000) }))],
    ["a redirect", (issuer) => issuer.answer("/jwks", (_, r) => r.writeHead(302, { location: "/other" }).end())],
    [
      "an unfinished answer",
      (issuer) => issuer.answer("/jwks", (_, r) => r.writeHead(200).write("{", () => r.destroy())),
    ],
    ["another's name", (issuer) => issuer.answer(discovery, (_, r) => sendJson(r, { issuer: "https://evil.example" }))],
    ["null", (issuer) => issuer.answer(discovery, (_, r) => sendJson(r, null))],
    [
      "keys at an address with NUL and half a character",
      (issuer) => {
        const jwks_uri = `${issuer.url}/\u0000\ud800`;
        issuer.answer(discovery, (_, r) => sendJson(r, { issuer: issuer.url, jwks_uri }));
        issuer.answer("/%00%EF%BF%BD", (_, r) => r.writeHead(302, { location: "/other" }).end());
      },
    ],
    [
      "keys on a link-local address",
      (issuer) =>
        issuer.answer(discovery, (_, r) => sendJson(r, { issuer: issuer.url, jwks_uri: "http://169.254.169.254/" })),
    ],
  ];

  it.each(nonsense)("(%s) is 503, and leaves one record", async (name, set) => {
    const robot = `acme+${name.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
    const issuer = await startBound(robot, set);
    const answer = await berth.exchange(robot, await issuer.sign(berth.url));
    expect(answer.body.code).toMatch(/^issuer_(unreachable|keys_invalid)$/);
    expectRefusal(answer, 503, answer.body.code);
    await expectRefusalRecord(berth, answer, answer.body.code);
    expect(issuer.requests).not.toContain("/other");
  });

  it("such as its private key is 400, and leaves one record", async () => {
    const { privateKey } = await generateKeyPair("RS256", { extractable: true });
    const issuer = await startBound("acme+careless", async ({ kid, answer }) => {
      const jwk = { ...(await exportJWK(privateKey)), kid, alg: "RS256", use: "sig" };
      answer("/jwks", (_, response) => sendJson(response, { keys: [jwk] }));
    });
    const answer = await berth.exchange("acme+careless", await issuer.sign(berth.url));
    expectRefusal(answer, 400, "token_refused");
    await expectRefusalRecord(berth, answer, "key_unusable");
  });
});
