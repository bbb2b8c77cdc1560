import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { createIssuerKey, type IssuerKey } from "../../src/oidc/issuer-key.ts";
import { type ParsedToken, parseToken } from "../../src/oidc/token-shape.ts";
import { type Trust, timeOutcomes, verifyToken } from "../../src/oidc/verify.ts";
import { goodHeader, goodPayload } from "../support/compact.ts";

const now = goodPayload.iat;
let key: IssuerKey;
let strangersKey: IssuerKey;
let token: ParsedToken;

beforeAll(async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  key = createIssuerKey(await exportJWK(publicKey));
  strangersKey = createIssuerKey(await exportJWK((await generateKeyPair("ES256")).publicKey));
  const signed = await new SignJWT(goodPayload).setProtectedHeader({ ...goodHeader, alg: "ES256" }).sign(privateKey);
  const parsed = parseToken(signed);
  if (!parsed.ok) throw new Error(parsed.refusal.code);
  token = parsed.token;
});

/** What is told of a token: each rule that was looked at, with what it wants and what it came upon. */
async function tell(given: Partial<Trust> = {}) {
  const found = async () => ({ ok: true, key }) as const;
  const trust = { algorithms: ["ES256"], maxTokenAge: 300, findKey: found, isOwnKey: async () => false, ...given };
  const { rules, refusal } = await verifyToken(token, trust, () => now);
  return { told: rules.map(({ rule, expected, found, passed }) => [rule, expected, found, passed]), refusal };
}

const algorithm = ["algorithm", ["ES256"], "ES256", true];
const keyRule = (passed: boolean) => ["key", "a key of the issuer", "key-1", passed];
const signature = (found: string, passed: boolean) => ["signature", "made by that key", found, passed];

describe("of a token's proof is told", () => {
  it("every rule, where all of them hold", async () => {
    expect(await tell()).toEqual({
      told: [
        algorithm,
        keyRule(true),
        signature("made by that key", true),
        ["expiration", "after 2027-01-15T07:59:30.000Z", "2027-01-15T08:05:00.000Z", true],
        ["not_before", "at the latest 2027-01-15T08:00:30.000Z", null, true],
        ["issued_at", "at the latest 2027-01-15T08:00:30.000Z", "2027-01-15T08:00:00.000Z", true],
        ["lifetime", "at most 300 seconds", 300, true],
      ],
      refusal: undefined,
    });
  });

  it("nothing after an algorithm that the issuer may not use", async () => {
    expect(await tell({ algorithms: ["RS256"] })).toEqual({
      told: [["algorithm", ["RS256"], "ES256", false]],
      refusal: { code: "alg_not_allowed", by: "issuer", alg: "ES256", allowed: ["RS256"] },
    });
  });

  it("nothing after a key that the issuer does not have", async () => {
    const refusal = { code: "key_unknown", kid: "key-1" } as const;
    expect(await tell({ findKey: async () => ({ ok: false, refusal }) })).toEqual({
      told: [algorithm, keyRule(false)],
      refusal,
    });
  });

  it("nothing after another's signature", async () => {
    expect(await tell({ findKey: async () => ({ ok: true, key: strangersKey }) })).toEqual({
      told: [algorithm, keyRule(true), signature("another's", false)],
      refusal: { code: "signature_invalid" },
    });
  });

  it.each<[string, () => Partial<Trust>]>([
    ["it is a key of this service itself", () => ({ isOwnKey: async (one) => one === key })],
    [
      "it cannot be read",
      () => ({
        findKey: async () => ({ ok: true, key: createIssuerKey({ kty: "EC", crv: "P-256", x: "AA", y: "AA" }) }),
      }),
    ],
  ])("of a key that is there why it is good for nothing: %s", async (detail, trust) => {
    expect(await tell(trust())).toEqual({
      told: [algorithm, keyRule(false)],
      refusal: { code: "key_unusable", kid: "key-1", detail },
    });
  });

  it("every time that is wrong, and not the first alone", () => {
    const { leewaySeconds } = limits.token;
    const [exp, nbf, iat] = [now - leewaySeconds, now + leewaySeconds + 1, now - 3600];
    const told = timeOutcomes({ exp, nbf, iat }, 300, now).filter(({ passed }) => !passed);
    expect(told.map(({ rule, found, refusal }) => [rule, found, refusal])).toEqual([
      ["expiration", "2027-01-15T07:59:30.000Z", { code: "expired", exp, now }],
      ["not_before", "2027-01-15T08:00:31.000Z", { code: "not_yet_valid", nbf, now }],
      ["lifetime", 3570, { code: "lifetime_too_long", seconds: 3570, limit: 300 }],
    ]);
  });
});
