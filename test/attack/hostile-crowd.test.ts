import { get } from "node:http";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic } from "../support/berth.ts";
import { createFakeIssuer, issuerUrl, sourceOf } from "../support/fake-issuer.ts";
import { type BoundIssuer, DOCUMENT, type HostileIssuers, KEYS, openHostileIssuers } from "./hostile-issuers.ts";

let hostile: HostileIssuers;
beforeAll(async () => {
  hostile = await openHostileIssuers();
});
afterAll(() => hostile.close());

const asked = ({ issuer }: BoundIssuer, path: string) => issuer.requests.filter((one) => one === path).length;

/** Forgets what binding the issuer may have taught the service, as a restart would: even stale keys are gone. */
const forget = () => hostile.berth.clock.advance(2 * 24 * 3600);

interface CrowdAnswer {
  readonly status: number;
  readonly retryAfter: number;
  readonly code: string;
}

/** Exchanges as many tokens as there are, so many at a time. */
async function exchangeAll({ robot }: BoundIssuer, tokens: readonly string[], atOnce: number): Promise<CrowdAnswer[]> {
  const left = tokens.values();
  const answers: CrowdAnswer[] = [];
  const work = async () => {
    for (const token of left) answers.push(await exchangeOnce(robot, token));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return answers;
}

/** By a connection of its own: one that is kept may be ended while a busy machine takes it up again. */
function exchangeOnce(robot: string, token: string): Promise<CrowdAnswer> {
  const url = `${hostile.berth.url}/oauth2/federation/robot/token`;
  return new Promise((resolve, reject) => {
    get(url, { agent: false, headers: { authorization: basic(robot, token) } }, async (response) => {
      const { code = "granted" } = (await json(response)) as { code?: string };
      resolve({ status: response.statusCode ?? 0, retryAfter: Number(response.headers["retry-after"]), code });
    }).once("error", reject);
  });
}

function countBy(answers: readonly CrowdAnswer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code } of answers) {
    const key = `${status} ${code}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

describe("a crowd", () => {
  it("of 200 after a cold start costs one discovery and one fetch of keys", async () => {
    const bound = await hostile.start();
    forget();
    const [documents, keys] = [asked(bound, DOCUMENT), asked(bound, KEYS)];
    const tokens = await Promise.all(Array.from({ length: 200 }, () => bound.sign()));
    expect(countBy(await exchangeAll(bound, tokens, 200))).toEqual({ "200 granted": 200 });
    expect(asked(bound, DOCUMENT) - documents).toBe(1);
    expect(asked(bound, KEYS) - keys).toBe(1);
  });

  it("of 10,000 tokens with invented kids costs one fetch a minute, an hour long", async () => {
    const issuer = createFakeIssuer();
    const source = sourceOf(issuerUrl);
    for (let count = 0; count < 10_000; count += 1) {
      expect(await issuer.keys.find(source, `invented-${count}`, "acme")).toMatchObject({
        refusal: { code: "key_unknown" },
      });
      issuer.advance(3600 / 10_000);
    }
    expect(issuer.keyRequests).toBeLessThanOrEqual(61);
    expect(issuer.requests.length - issuer.keyRequests).toBeLessThanOrEqual(61);
  });

  it("of 1,000 tokens with invented kids costs the service one fetch a minute", async () => {
    const bound = await hostile.start();
    expect((await bound.exchange()).status).toBe(200);
    const [documents, keys] = [asked(bound, DOCUMENT), asked(bound, KEYS)];
    const [, payload] = (await bound.sign()).split(".");
    const signature = Buffer.alloc(256).toString("base64url");
    const tokens = Array.from({ length: 1000 }, (_, index) => {
      const header = JSON.stringify({ alg: "RS256", typ: "JWT", kid: `invented-${index}` });
      return `${Buffer.from(header).toString("base64url")}.${payload}.${signature}`;
    });
    const startedAt = hostile.berth.clock.now();
    expect(countBy(await exchangeAll(bound, tokens, 50))).toEqual({ "400 token_refused": 1000 });
    const minutes = Math.ceil((hostile.berth.clock.now() - startedAt) / 60_000);
    expect(asked(bound, KEYS) - keys).toBeLessThanOrEqual(minutes);
    expect(asked(bound, DOCUMENT) - documents).toBeLessThanOrEqual(minutes);
    expect((await bound.exchange()).status).toBe(200);
  });

  it("before an issuer that is down costs one attempt for each pause", async () => {
    const bound = await hostile.start();
    bound.issuer.answer(DOCUMENT, (response) => response.destroy());
    forget();
    // The first pauses are too short for a crowd to come on a busy machine.
    for (const pause of [1, 2]) {
      expect((await bound.exchange()).status).toBe(503);
      hostile.berth.clock.advance(pause);
    }
    for (const pause of [4, 8, 16, 32, 60, 60]) {
      const tokens = await Promise.all(Array.from({ length: 10 }, () => bound.sign()));
      const before = asked(bound, DOCUMENT);
      const answers = await exchangeAll(bound, tokens, 10);
      expect(countBy(answers)).toEqual({ "503 issuer_unreachable": 10 });
      expect(asked(bound, DOCUMENT) - before).toBe(1);
      expect(Math.max(...answers.map(({ retryAfter }) => retryAfter))).toBe(pause);
      hostile.berth.clock.advance(pause);
    }
  });

  it("before an issuer that is down and then another does not hold up the other", async () => {
    const [down, good] = [await hostile.start((issuer) => issuer.answer(DOCUMENT, () => {})), await hostile.start()];
    forget();
    const tokens = await Promise.all(Array.from({ length: 50 }, () => down.sign()));
    const before = asked(down, DOCUMENT);
    const goodTokens = await Promise.all(Array.from({ length: 20 }, () => good.sign()));
    let isWaiting = true;
    const waiting = exchangeAll(down, tokens, 50).finally(() => {
      isWaiting = false;
    });
    await expect.poll(() => asked(down, DOCUMENT)).toBeGreaterThan(before);
    expect((await good.exchange()).status).toBe(200);
    expect(isWaiting).toBe(true);
    expect(countBy(await exchangeAll(good, goodTokens, 10))).toEqual({ "200 granted": 20 });
    expect(countBy(await waiting)).toEqual({ "503 issuer_unreachable": 50 });
    expect(asked(down, DOCUMENT) - before).toBe(1);
  });

  it("of slow issuers, all of one organization, leaves room for others", async () => {
    const slow: BoundIssuer[] = [];
    for (let count = 0; count < 20; count += 1) {
      slow.push(await hostile.start((issuer) => issuer.answer(DOCUMENT, (response) => response.destroy()), "slow"));
    }
    for (const { issuer } of slow) issuer.answer(DOCUMENT, () => {});
    const good = await hostile.start();
    forget();
    const before = slow.map((one) => asked(one, DOCUMENT));
    const waiting = Promise.all(slow.map((one) => one.exchange()));
    const reached = () => slow.filter((one, index) => asked(one, DOCUMENT) > (before[index] ?? 0)).length;
    await expect.poll(reached).toBeGreaterThan(0);
    expect((await good.exchange()).status).toBe(200);
    expect(new Set((await waiting).map(({ status }) => status))).toEqual(new Set([503]));
    expect(reached()).toBeLessThanOrEqual(2);
  });
});
