import { base64url, compactVerify, errors, importJWK, type JWK } from "jose";
import type { Refusal } from "../domain/refusal.ts";
import { limits } from "../limits.ts";
import type { IssuerKeys } from "./issuers.ts";
import type { Claims, ParsedToken } from "./token-shape.ts";

/** An issuer that a robot is bound to, and how far it is trusted. */
export interface TrustedIssuer {
  readonly issuer: string;
  readonly algorithms: readonly string[];
}

/** What an issuer may sign with unless it was registered with a list of its own (RFC 8725 §3.1). */
export const defaultAlgorithms = ["RS256", "ES256"] as const;

/**
 * Proves that `issuer` signed a token which is good now: algorithm, key, signature, time, in that order.
 *
 * @param now epoch seconds
 * @returns the first rule that failed, or `undefined`
 */
export async function verifyToken(
  token: ParsedToken,
  { issuer, algorithms }: TrustedIssuer,
  issuerKeys: IssuerKeys,
  now: number,
): Promise<Refusal | undefined> {
  const { alg, kid } = token;
  if (!algorithms.includes(alg)) return { code: "alg_not_allowed", by: "issuer", alg, allowed: algorithms };

  const found = await issuerKeys.find(issuer, kid);
  if (!found.ok) return found.refusal;
  const detail = keyProblem(found.jwk, alg);
  if (detail) return { code: "key_unusable", kid, detail };

  return (await signatureRefusal(token, found.jwk)) ?? timeRefusal(token.claims, now);
}

const KEY_TYPES: Readonly<Record<string, { kty: string; crv?: string }>> = {
  RS256: { kty: "RSA" },
  RS384: { kty: "RSA" },
  RS512: { kty: "RSA" },
  PS256: { kty: "RSA" },
  PS384: { kty: "RSA" },
  PS512: { kty: "RSA" },
  ES256: { kty: "EC", crv: "P-256" },
  ES384: { kty: "EC", crv: "P-384" },
  ES512: { kty: "EC", crv: "P-521" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
  Ed25519: { kty: "OKP", crv: "Ed25519" },
};

/** Why a key must not verify a signature of `alg`, or `undefined` (RFC 7517 §4, RFC 7518 §3.3). */
function keyProblem(jwk: JWK, alg: string): string | undefined {
  const type = KEY_TYPES[alg];
  if (!type || jwk.kty !== type.kty || (type.crv && jwk.crv !== type.crv)) return `it is no key for ${alg}`;
  if (jwk.d !== undefined) return "its private half is published too";
  if (jwk.use !== undefined && jwk.use !== "sig") return "its use is not sig";
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes("verify"))) {
    return "its key_ops do not hold verify";
  }
  if (jwk.alg !== undefined && jwk.alg !== alg) return `its alg is not ${alg}`;
  return jwk.kty === "RSA" ? rsaProblem(jwk) : undefined;
}

function rsaProblem({ n, e }: JWK): string | undefined {
  const modulus = toBigInt(n);
  const exponent = toBigInt(e);
  if (modulus === undefined || exponent === undefined) return "its modulus or exponent cannot be read";
  const bits = modulus.toString(2).length;
  if (bits < limits.rsa.minBits || bits > limits.rsa.maxBits) return `it has ${bits} bits`;
  if (exponent < 3n || exponent % 2n === 0n) return "its exponent is even or less than 3";
  return hasRocaFingerprint(modulus) ? "it has the ROCA weakness (CVE-2017-15361)" : undefined;
}

/**
 * Whether a modulus was made by the flawed generator: modulo each small prime it is then a power of 65537.
 *
 * @see Nemec et al., "The Return of Coppersmith's Attack", 2017, §2.2
 */
function hasRocaFingerprint(modulus: bigint): boolean {
  return ROCA_REMAINDERS.every(([prime, remainders]) => remainders.has(modulus % prime));
}

const ROCA_PRIMES = [
  3n,
  5n,
  7n,
  11n,
  13n,
  17n,
  19n,
  23n,
  29n,
  31n,
  37n,
  41n,
  43n,
  47n,
  53n,
  59n,
  61n,
  67n,
  71n,
  73n,
  79n,
  83n,
  89n,
  97n,
  101n,
  103n,
  107n,
  109n,
  113n,
  127n,
  131n,
  137n,
  139n,
  149n,
  151n,
  157n,
  163n,
  167n,
];

const ROCA_REMAINDERS = ROCA_PRIMES.map((prime) => {
  const remainders = new Set<bigint>();
  for (let power = 1n; !remainders.has(power); power = (power * 65537n) % prime) remainders.add(power);
  return [prime, remainders] as const;
});

function toBigInt(encoded: string | undefined): bigint | undefined {
  if (typeof encoded !== "string" || encoded.length > 2048) return undefined;
  if (!/^[A-Za-z0-9_-]+$/.test(encoded) || encoded.length % 4 === 1) return undefined;
  const bytes = base64url.decode(encoded);
  return BigInt(`0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`);
}

async function signatureRefusal({ compact, alg, kid }: ParsedToken, jwk: JWK): Promise<Refusal | undefined> {
  const key = await importJWK(jwk, alg).catch(() => undefined);
  if (!key) return { code: "key_unusable", kid, detail: "it cannot be read" };
  try {
    await compactVerify(compact, key, { algorithms: [alg] });
    return undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return { code: "signature_invalid" };
    throw error;
  }
}

function timeRefusal({ exp, iat, nbf }: Claims, now: number): Refusal | undefined {
  const { leewaySeconds, maxLifetimeSeconds } = limits.token;
  if (now >= exp + leewaySeconds) return { code: "expired", exp, now };
  if (nbf !== undefined && now < nbf - leewaySeconds) return { code: "not_yet_valid", nbf, now };
  if (now < iat - leewaySeconds) return { code: "issued_in_future", iat, now };
  if (exp - iat > maxLifetimeSeconds) {
    return { code: "lifetime_too_long", seconds: exp - iat, limit: maxLifetimeSeconds };
  }
  return undefined;
}
