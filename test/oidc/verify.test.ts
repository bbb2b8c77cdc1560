import { generateKeyPairSync, sign } from "node:crypto";
import { CompactSign, exportJWK, generateKeyPair, type JWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import type { Refusal } from "../../src/domain/refusal.ts";
import { createIssuerKey } from "../../src/oidc/issuer-key.ts";
import type { KeyResult } from "../../src/oidc/issuers.ts";
import { type ParsedToken, parseToken, signatureAlgorithms } from "../../src/oidc/token-shape.ts";
import { defaultAlgorithms, verifyToken } from "../../src/oidc/verify.ts";
import { base64url, goodHeader, goodPayload } from "../support/compact.ts";
import { makeRocaKey } from "../support/roca.ts";

const now = goodPayload.iat;

interface Pair {
  readonly jwk: JWK;
  readonly privateKey: CryptoKey;
}
const pairs = new Map<string, Pair>();
const pairOf = (alg: string) => pairs.get(alg) as Pair;

beforeAll(async () => {
  for (const alg of ["RS256", "PS256", "RS512", "ES256", "ES384", "ES512", "EdDSA"]) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    pairs.set(alg, { jwk: await exportJWK(publicKey), privateKey });
  }
});

function parse(compact: string): ParsedToken {
  const result = parseToken(compact);
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  return result.token;
}

async function signed(alg: string, claims: object = {}): Promise<ParsedToken> {
  const payload = new TextEncoder().encode(JSON.stringify({ ...goodPayload, ...claims }));
  return parse(await new CompactSign(payload).setProtectedHeader({ ...goodHeader, alg }).sign(pairOf(alg).privateKey));
}

async function judge(
  token: ParsedToken,
  found: JWK | KeyResult,
  { algorithms = signatureAlgorithms as readonly string[], at = now, maxTokenAge = 24 * 3600, own = false } = {},
): Promise<Refusal | undefined> {
  const result = "ok" in found ? (found as KeyResult) : ({ ok: true, key: createIssuerKey(found) } as const);
  const trust = { algorithms, maxTokenAge, findKey: async () => result, isOwnKey: async () => own };
  return (await verifyToken(token, trust, () => at)).refusal;
}

describe("the algorithm", () => {
  it.each(["RS256", "PS256", "RS512", "ES256", "ES384", "ES512", "EdDSA"])(
    "may be %s where the issuer may use it",
    async (alg) => {
      expect(await judge(await signed(alg), pairOf(alg).jwk)).toBeUndefined();
    },
  );

  it("is RS256 or ES256 unless the issuer was given others", async () => {
    expect(defaultAlgorithms).toEqual(["RS256", "ES256"]);
    for (const alg of ["PS256", "RS512", "ES384", "EdDSA"]) {
      const refusal = await judge(await signed(alg), pairOf(alg).jwk, { algorithms: defaultAlgorithms });
      expect(refusal).toMatchObject({ code: "alg_not_allowed", by: "issuer", alg });
    }
  });

  it("is refused before the issuer is asked for a key", async () => {
    const unasked = {
      algorithms: defaultAlgorithms,
      maxTokenAge: 24 * 3600,
      findKey: () => {
        throw new Error("asked for a key");
      },
      isOwnKey: async () => false,
    };
    const { refusal, rules } = await verifyToken(await signed("ES384"), unasked, () => now);
    expect(refusal?.code).toBe("alg_not_allowed");
    expect(rules.map(({ rule }) => rule)).toEqual(["algorithm"]);
  });

  it("must be the key's own kind", async () => {
    for (const [alg, other] of [
      ["RS256", "ES256"],
      ["ES256", "RS256"],
      ["ES256", "ES384"],
      ["EdDSA", "ES256"],
      ["RS256", "EdDSA"],
    ] as const) {
      expect(await judge(await signed(alg), pairOf(other).jwk)).toMatchObject({
        code: "key_unusable",
        detail: `it is no key for ${alg}`,
      });
    }
  });

  it("is not taken for another of the same family", async () => {
    const { jwk } = pairOf("RS256");
    const token = await signed("RS256");
    const [, payload, signature] = token.compact.split(".");
    const relabelled = parse(`${base64url(JSON.stringify({ ...goodHeader, alg: "PS256" }))}.${payload}.${signature}`);
    expect(await judge(relabelled, jwk)).toEqual({ code: "signature_invalid" });
  });
});

describe("the key", () => {
  it.each<Partial<JWK>>([
    { use: "sig" },
    { key_ops: ["verify"] },
    { alg: "RS256" },
    { use: "sig", key_ops: ["verify"], alg: "RS256", kid: "key-1" },
  ])("may say %j", async (members) => {
    expect(await judge(await signed("RS256"), { ...pairOf("RS256").jwk, ...members })).toBeUndefined();
  });

  it.each<Record<string, unknown>>([
    { use: "enc" },
    { use: "SIG" },
    { use: 1 },
    { key_ops: ["encrypt"] },
    { key_ops: [] },
    { key_ops: "verify" },
    { alg: "RS512" },
    { alg: "RSA-OAEP" },
    { alg: null },
  ])("may not say %j", async (members) => {
    expect(await judge(await signed("RS256"), { ...pairOf("RS256").jwk, ...members } as JWK)).toMatchObject({
      code: "key_unusable",
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ["an exponent of 1", { e: "AQ" }],
    ["an even exponent", { e: "AQAC" }],
    ["no exponent", { e: undefined }],
    ["an exponent that is no text", { e: 65537 }],
    ["an exponent in no base64url", { e: "A+AB" }],
    ["no modulus", { n: undefined }],
    ["an empty modulus", { n: "" }],
    ["a modulus of 8193 bits", { n: base64url(Uint8Array.from([1, ...new Uint8Array(1023), 1])) }],
    [
      "a modulus of leading zeros",
      { n: base64url(Uint8Array.from([...new Uint8Array(200), 0xff, ...new Uint8Array(100)])) },
    ],
  ])("may not have %s", async (_, members) => {
    expect(await judge(await signed("RS256"), { ...pairOf("RS256").jwk, ...members } as JWK)).toMatchObject({
      code: "key_unusable",
    });
  });

  it("may not be an RSA key of 1024 bits, though it signed well", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const input = `${base64url(JSON.stringify(goodHeader))}.${base64url(JSON.stringify(goodPayload))}`;
    const token = parse(`${input}.${sign("sha256", Buffer.from(input), privateKey).toString("base64url")}`);
    expect(await judge(token, publicKey.export({ format: "jwk" }) as JWK)).toMatchObject({
      code: "key_unusable",
      detail: "it has 1024 bits",
    });
  });

  it("may not be an RSA key with the ROCA weakness, though it signed well", async () => {
    const privateKey = makeRocaKey();
    const { n, e } = privateKey.export({ format: "jwk" }) as JWK;
    const input = `${base64url(JSON.stringify(goodHeader))}.${base64url(JSON.stringify(goodPayload))}`;
    const token = parse(`${input}.${sign("sha256", Buffer.from(input), privateKey).toString("base64url")}`);
    expect(await judge(token, { kty: "RSA", n, e } as JWK)).toMatchObject({ code: "key_unusable" });
  });

  it("may not be a point off its curve", async () => {
    const { jwk } = pairOf("ES256");
    expect(await judge(await signed("ES256"), { ...jwk, y: jwk.x } as JWK)).toMatchObject({ code: "key_unusable" });
  });

  it("may not be a shared secret", async () => {
    expect(await judge(await signed("RS256"), { kty: "oct", k: "c2VjcmV0" })).toMatchObject({ code: "key_unusable" });
  });

  it("that an issuer published with its private half is refused, and breaks nothing", async () => {
    for (const alg of ["RS256", "ES256"]) {
      const jwk = await exportJWK(pairOf(alg).privateKey);
      expect(await judge(await signed(alg), jwk)).toMatchObject({ code: "key_unusable" });
    }
  });

  it("that cannot be had refuses for its own reason", async () => {
    const refusal: Refusal = { code: "key_unknown", kid: "key-1" };
    expect(await judge(await signed("RS256"), { ok: false, refusal })).toBe(refusal);
  });
});

describe("the signature", () => {
  it("must be of these very bytes", async () => {
    const { compact } = await signed("RS256");
    const [header, , signature] = compact.split(".");
    const forged = parse(
      `${header}.${base64url(JSON.stringify({ ...goodPayload, sub: "repo:evil/app" }))}.${signature}`,
    );
    expect(await judge(forged, pairOf("RS256").jwk)).toEqual({ code: "signature_invalid" });
  });

  it("must be by that very key", async () => {
    const { publicKey } = await generateKeyPair("RS256", { extractable: true });
    expect(await judge(await signed("RS256"), await exportJWK(publicKey))).toEqual({ code: "signature_invalid" });
  });

  it.each(["RS256", "ES256"])("of %s must have its length", async (alg) => {
    const { compact } = await signed(alg);
    const short = parse(`${compact.slice(0, compact.lastIndexOf("."))}.AAAA`);
    expect(await judge(short, pairOf(alg).jwk)).toEqual({ code: "signature_invalid" });
  });

  it("may not be the zeros that ECDSA once passed", async () => {
    const { compact } = await signed("ES256");
    const zeros = parse(`${compact.slice(0, compact.lastIndexOf("."))}.${base64url(new Uint8Array(64))}`);
    expect(await judge(zeros, pairOf("ES256").jwk)).toEqual({ code: "signature_invalid" });
  });

  it("comes before the time: an expired forgery is told as a forgery", async () => {
    const { compact } = await signed("RS256", { exp: now - 1000 });
    const forged = parse(`${compact.slice(0, compact.lastIndexOf("."))}.${base64url(new Uint8Array(256))}`);
    expect(await judge(forged, pairOf("RS256").jwk)).toEqual({ code: "signature_invalid" });
  });
});

describe("the time", () => {
  it.each<[string, object]>([
    ["expired 29 seconds ago", { iat: now - 300, exp: now - 29 }],
    ["good from 30 seconds on", { nbf: now + 30 }],
    ["issued 30 seconds ahead", { iat: now + 30 }],
    ["of 24 hours", { exp: now + 24 * 3600 }],
    ["with fractions of seconds", { iat: now - 0.5, nbf: now - 0.25, exp: now + 0.5 }],
  ])("lets pass a token %s", async (_, claims) => {
    expect(await judge(await signed("RS256", claims), pairOf("RS256").jwk)).toBeUndefined();
  });

  it.each<[string, object, Refusal]>([
    ["expired 30 seconds ago", { iat: now - 300, exp: now - 30 }, { code: "expired", exp: now - 30, now }],
    ["good from 31 seconds on", { nbf: now + 31 }, { code: "not_yet_valid", nbf: now + 31, now }],
    ["issued 31 seconds ahead", { iat: now + 31 }, { code: "issued_in_future", iat: now + 31, now }],
    ["issued a year ahead", { iat: now + 3e7, exp: now + 3e7 + 1 }, { code: "issued_in_future", iat: now + 3e7, now }],
    ["of more than 24 hours", { exp: now + 86_401 }, { code: "lifetime_too_long", seconds: 86_401, limit: 86_400 }],
    [
      "of more than 24 hours, nearly over",
      { iat: now - 86_400, exp: now + 1 },
      { code: "lifetime_too_long", seconds: 86_401, limit: 86_400 },
    ],
    ["of negative times", { iat: -2, exp: -1 }, { code: "expired", exp: -1, now }],
  ])("refuses a token %s", async (_, claims, refusal) => {
    expect(await judge(await signed("RS256", claims), pairOf("RS256").jwk)).toEqual(refusal);
  });
});
