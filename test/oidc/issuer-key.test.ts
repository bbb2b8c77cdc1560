import { CompactSign, exportJWK, generateKeyPair, type JWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { createIssuerKey, isSignatureOf } from "../../src/oidc/issuer-key.ts";
import { signatureAlgorithms } from "../../src/oidc/token-shape.ts";
import { base64url } from "../support/compact.ts";

/** The kind of key that each algorithm signs with. */
const kinds: Readonly<Record<string, string>> = {
  RS256: "RSA",
  RS384: "RSA",
  RS512: "RSA",
  PS256: "RSA",
  PS384: "RSA",
  PS512: "RSA",
  ES256: "P-256",
  ES384: "P-384",
  ES512: "P-521",
  EdDSA: "Ed25519",
  Ed25519: "Ed25519",
};

const rsa = { kty: "RSA", e: "AQAB" };
const examples: Readonly<Record<string, JWK>> = {
  RSA: { ...rsa, n: base64url(Uint8Array.from([0x80, ...new Uint8Array(254), 1])) },
  "P-256": { kty: "EC", crv: "P-256", x: "AA", y: "AA" },
  "P-384": { kty: "EC", crv: "P-384", x: "AA", y: "AA" },
  "P-521": { kty: "EC", crv: "P-521", x: "AA", y: "AA" },
  Ed25519: { kty: "OKP", crv: "Ed25519", x: "AA" },
  X25519: { kty: "OKP", crv: "X25519" },
  secret: { kty: "oct", k: "AA" },
};

describe.each(signatureAlgorithms)("%s", (alg) => {
  let publicKey: CryptoKey;
  let jwk: JWK;
  let signingInput: Uint8Array<ArrayBuffer>;
  let signature: Uint8Array<ArrayBuffer>;

  beforeAll(async () => {
    const pair = await generateKeyPair(alg);
    ({ publicKey } = pair);
    jwk = await exportJWK(publicKey);
    const compact = await new CompactSign(new Uint8Array([1])).setProtectedHeader({ alg }).sign(pair.privateKey);
    const end = compact.lastIndexOf(".");
    signingInput = new TextEncoder().encode(compact.slice(0, end));
    signature = Uint8Array.from(Buffer.from(compact.slice(end + 1), "base64url"));
  });

  it("takes keys of one kind alone", () => {
    for (const [kind, example] of Object.entries(examples)) {
      expect([kind, createIssuerKey(example).problem(alg)]).toEqual([
        kind,
        kind === kinds[alg] ? undefined : `it is no key for ${alg}`,
      ]);
    }
  });

  it("proves what was signed, and nothing else", async () => {
    const key = (await createIssuerKey(jwk).imported(alg)) as CryptoKey;
    expect(await isSignatureOf(key, alg, signature, signingInput)).toBe(true);
    expect(await isSignatureOf(key, alg, signature, signingInput.slice(1))).toBe(false);
    expect(await isSignatureOf(key, alg, signature.slice(1), signingInput)).toBe(false);
    expect(await isSignatureOf(key, "none", signature, signingInput)).toBe(false);
  });

  it("has its key imported once", async () => {
    const key = createIssuerKey(jwk);
    expect(await key.imported(alg)).toBe(await key.imported(alg));
  });
});

/** A modulus of so many bytes that the generators of weak keys did not make, behind so many zeros. */
const modulus = (bytes: number, zeros = 0) =>
  base64url(Uint8Array.from([...new Uint8Array(zeros), 0x80, ...new Uint8Array(bytes - 2), 1]));

describe("a key of RSA", () => {
  it.each<[string, JWK]>([
    ["2048 bits", { n: modulus(256) }],
    ["8192 bits", { n: modulus(1024) }],
    ["2048 bits behind zeros, in 2048 characters", { n: modulus(256, 1280) }],
    ["an exponent of 3", { n: modulus(256), e: "Aw" }],
  ])("may have %s", (_, members) => {
    expect(createIssuerKey({ ...rsa, ...members }).problem()).toBeUndefined();
  });

  it.each<[string, string, JWK]>([
    ["2040 bits", "it has 2040 bits", { n: modulus(255) }],
    ["8200 bits", "it has 8200 bits", { n: modulus(1025) }],
    ["more than 2048 characters", "its modulus or exponent cannot be read", { n: modulus(256, 1281) }],
    ["a lone character at its end", "its modulus or exponent cannot be read", { n: modulus(256), e: "AQABA" }],
    ["an exponent of 1", "its exponent is even or less than 3", { n: modulus(256), e: "AQ" }],
    ["an exponent of 4", "its exponent is even or less than 3", { n: modulus(256), e: "BA" }],
    ["a private half", "its private half is published too", { n: modulus(256), d: "AA" }],
    ["another use", "its use is not sig", { n: modulus(256), use: "enc" }],
    ["other operations", "its key_ops do not hold verify", { n: modulus(256), key_ops: ["sign"] }],
  ])("may not have %s", (_, problem, members) => {
    expect(createIssuerKey({ ...rsa, ...members }).problem()).toBe(problem);
  });

  it("may not name another algorithm", () => {
    expect(createIssuerKey({ ...rsa, n: modulus(256), alg: "RS512" }).problem("RS256")).toBe("its alg is not RS256");
  });
});
