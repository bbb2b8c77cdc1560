import { exportJWK, generateKeyPair } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Arrange,
  DOCUMENT,
  type HostileIssuer,
  type HostileIssuers,
  KEYS,
  openHostileIssuers,
} from "./hostile-issuers.ts";

let hostile: HostileIssuers;
let strangersKey: Record<string, unknown>;
beforeAll(async () => {
  hostile = await openHostileIssuers();
  const { publicKey } = await generateKeyPair("RS256", { extractable: true });
  strangersKey = { ...(await exportJWK(publicKey)), alg: "RS256", use: "sig" };
});
afterAll(() => hostile.close());

/** Answers its keys with what `change` makes of the good set's text. */
const keySet = (change: (issuer: HostileIssuer) => string | Uint8Array): Arrange => {
  return (issuer) =>
    issuer.answer(KEYS, (response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(change(issuer));
    });
};
const keys = (make: (issuer: HostileIssuer) => unknown[]): Arrange =>
  keySet((issuer) => JSON.stringify({ keys: make(issuer) }));
const named = (count: number, kid: (index: number) => unknown) =>
  Array.from({ length: count }, (_, index) => ({ ...strangersKey, kid: kid(index) }));

describe("a set of keys that is none", () => {
  it.each<[string, Arrange]>([
    ["is empty", keys(() => [])],
    ["has 20,000 nothings", keys(() => Array.from({ length: 20_000 }, () => null))],
    ["has 20,000 names", keySet(() => `{"keys":[${Array.from({ length: 20_000 }, () => "{}").join()}]}`)],
    ["has 65 good ones", keys(() => named(65, (index) => `k${index}`))],
    ["has nulls, texts, numbers and lists", keys(() => [null, "key", 1, true, [], [[]]])],
    ["has keys without names", keys(() => named(3, () => undefined))],
    [
      "has keys whose names are no text",
      keys(() => [1, null, {}, ["key-0"], true].flatMap((kid) => named(1, () => kid))),
    ],
    ["is a list", keySet(() => "[]")],
    ["is a text", keySet(() => '"keys"')],
    ["is null", keySet(() => "null")],
    ["is empty text", keySet(() => "")],
    ["is one key", keySet((issuer) => JSON.stringify({ ...strangersKey, kid: issuer.kid }))],
    ["has its keys by name", keySet((issuer) => JSON.stringify({ keys: { [issuer.kid]: strangersKey } }))],
    ["has its list under a prototype", keySet(() => '{"__proto__":{"keys":[{"kid":"key-0","kty":"RSA"}]}}')],
    ["is a JWT", keySet(() => "eyJhbGciOiJub25lIn0.eyJrZXlzIjpbXX0.")],
    [
      "is not UTF-8",
      keySet(() => Uint8Array.from([...Buffer.from('{"keys":[{"kid":"'), 0xff, ...Buffer.from('"}]}')])),
    ],
    ["is UTF-16", keySet(() => Buffer.from('\ufeff{"keys":[]}', "utf16le"))],
    ["is nested without end", keySet(() => "[".repeat(100_000))],
    ["is nested without end, and closed", keySet(() => `{"keys":${"[".repeat(50_000)}${"]".repeat(50_000)}}`)],
    ["has NUL between", keySet(() => '{"keys"\0:[]}')],
    ["is 2 MB", keySet(() => `{"keys":[]${" ".repeat(2_000_000)}}`)],
    ["is not there", (issuer) => issuer.answer(KEYS, (response) => response.writeHead(404).end())],
  ])("(it %s) is an outage", async (_, arrange) => {
    await (await hostile.start(arrange)).expectRefused(/^issuer_(keys_invalid|unreachable)$/);
  });
});

describe("a key that is no good", () => {
  it.each<[string, (issuer: HostileIssuer) => unknown[], string]>([
    ["is another's", ({ kid }) => named(1, () => kid), "signature_invalid"],
    ["is there twice", ({ kid }) => named(2, () => kid), "key_unusable"],
    ["is there 64 times", ({ kid }) => named(64, () => kid), "key_unusable"],
    ["has another name", () => named(1, () => "other"), "key_unknown"],
    ["has its name in another case", ({ kid }) => named(1, () => kid.toUpperCase()), "key_unknown"],
    ["has its name and a space", ({ kid }) => named(1, () => `${kid} `), "key_unknown"],
    [
      "has its name as inherited",
      () => named(3, (index) => ["__proto__", "constructor", "toString"][index]),
      "key_unknown",
    ],
    ["is a shared secret", ({ kid }) => [{ kty: "oct", kid, k: "AAAA" }, ...named(1, () => "x")], "key_unknown"],
    ["is for encryption", ({ kid }) => [{ ...strangersKey, kid, use: "enc" }], "key_unusable"],
    ["is for nothing that verifies", ({ kid }) => [{ ...strangersKey, kid, key_ops: ["encrypt"] }], "key_unusable"],
    ["is for another algorithm", ({ kid }) => [{ ...strangersKey, kid, alg: "PS256" }], "key_unusable"],
    ["is for no algorithm at all", ({ kid }) => [{ ...strangersKey, kid, alg: "none" }], "key_unusable"],
    ["has an exponent of 1", ({ kid }) => [{ ...strangersKey, kid, e: "AQ" }], "key_unusable"],
    ["has no modulus", ({ kid }) => [{ kty: "RSA", e: "AQAB", kid }], "key_unusable"],
    ["has a modulus that is no text", ({ kid }) => [{ ...strangersKey, kid, n: { length: 9 } }], "key_unusable"],
    [
      "has a modulus of 60,000 characters",
      ({ kid }) => [{ ...strangersKey, kid, n: "A".repeat(60_000) }],
      "key_unusable",
    ],
    [
      "has 512 bits",
      ({ kid }) => [{ ...strangersKey, kid, n: Buffer.alloc(64, 0xff).toString("base64url") }],
      "key_unusable",
    ],
    ["is of a kind unheard of", ({ kid }) => [{ kty: "AKP", kid, pub: "AA" }], "key_unusable"],
    ["is of no kind", ({ kid }) => [{ kid }], "key_unusable"],
    ["is on another curve", ({ kid }) => [{ kty: "EC", crv: "P-256", kid, x: "AA", y: "AA" }], "key_unusable"],
    [
      "comes with addresses to fetch it from",
      ({ kid, url }) => [{ ...strangersKey, kid, x5u: `${url}/x5u`, jku: `${url}/jku` }],
      "signature_invalid",
    ],
  ])("(it %s) is refused, and the caller hears no more than that", async (_, make, code) => {
    const bound = await hostile.start(keys(make));
    await bound.expectRefused(code);
    expect(bound.issuer.requests.filter((path) => path !== DOCUMENT && path !== KEYS)).toEqual([]);
  });
});

describe("an issuer whose keys never stay", () => {
  it("is asked twice for a thousand tokens in a minute, where each answer has other names", async () => {
    const bound = await hostile.start((issuer) => {
      keys(() => named(3, () => crypto.randomUUID()))(issuer);
    });
    const before = bound.issuer.requests.filter((path) => path === KEYS).length;
    for (let round = 0; round < 40; round += 1) {
      const tokens = await Promise.all(
        Array.from({ length: 25 }, (_, index) => bound.sign({}, { kid: `${round}-${index}` })),
      );
      const answers = await Promise.all(tokens.map((token) => bound.exchange(token)));
      expect(new Set(answers.map(({ body }) => body.code))).toEqual(new Set(["token_refused"]));
    }
    expect(bound.issuer.requests.filter((path) => path === KEYS).length - before).toBeLessThanOrEqual(2);
  });

  it("gains nothing by another key under the same name", async () => {
    const bound = await hostile.start();
    expect((await bound.exchange()).status).toBe(200);
    keys(({ kid }) => named(1, () => kid))(bound.issuer);
    hostile.berth.clock.advance(601);
    await bound.expectRefused("signature_invalid");
  });

  it("keeps a good key through an empty set and a bad one", async () => {
    for (const arrange of [keys(() => []), keys(() => named(65, (index) => index)), keySet(() => "<html>")]) {
      const bound = await hostile.start();
      expect((await bound.exchange()).status).toBe(200);
      arrange(bound.issuer);
      hostile.berth.clock.advance(601);
      const asked = bound.issuer.requests.length;
      expect((await bound.exchange()).status).toBe(200);
      expect(bound.issuer.requests.length).toBeGreaterThan(asked);
    }
  });
});

describe("how long keys are kept", () => {
  it.each([
    ["max-age=0", 60],
    ["no-store, max-age=0", 60],
    ["max-age=31536000", 3600],
    ["max-age=99999999999999999999999", 600],
    ["max-age=-1", 600],
    ["max-age=1e9", 600],
    ["max-age=", 600],
    ["max-age=NaN, max-age", 600],
    ["x".repeat(100), 600],
  ])("with Cache-Control: $0 is $1 seconds", async (cacheControl, seconds) => {
    const bound = await hostile.start();
    const good = await (await fetch(bound.issuer.url + KEYS)).json();
    bound.issuer.answerJson(KEYS, good, { "cache-control": cacheControl });
    hostile.berth.clock.advance(4000);
    expect((await bound.exchange()).status).toBe(200);
    const asked = bound.issuer.requests.length;
    hostile.berth.clock.advance(seconds - 10);
    expect((await bound.exchange()).status).toBe(200);
    expect(bound.issuer.requests.length).toBe(asked);
    hostile.berth.clock.advance(20);
    expect((await bound.exchange()).status).toBe(200);
    expect(bound.issuer.requests.length).toBeGreaterThan(asked);
  });
});
