import { base64url, importJWK, type JWK } from "jose";
import { isCanonicalBase64url } from "../domain/text.ts";
import { limits } from "../limits.ts";

/** A public key of an issuer. What can be said of it is found out once, and it is imported once. */
export interface IssuerKey {
  readonly jwk: JWK;
  /** Why it must not verify a signature of `alg`, or of any algorithm at all; or `undefined`. */
  problem(alg?: string): string | undefined;
  /** `undefined`: it cannot be read. */
  imported(alg: string): Promise<CryptoKey | undefined>;
}

export function createIssuerKey(jwk: JWK): IssuerKey {
  const importedFor = new Map<string, CryptoKey | undefined>();
  let judged: { readonly problem: string | undefined } | undefined;

  return {
    jwk,
    problem(alg) {
      judged ??= { problem: ownProblem(jwk) };
      return (alg === undefined ? undefined : typeProblem(jwk, alg)) ?? judged.problem;
    },
    async imported(alg) {
      if (!importedFor.has(alg)) importedFor.set(alg, await read(jwk, alg));
      return importedFor.get(alg);
    },
  };
}

/** Whether a key without a problem made a signature of the signing input (RFC 7515 §5.2). */
export async function isSignatureOf(
  key: CryptoKey,
  alg: string,
  signature: Uint8Array<ArrayBuffer>,
  signingInput: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const known = ALGORITHMS[alg];
  if (!known) return false;
  // Some platforms throw where a signature has not the length that the algorithm gives it.
  return crypto.subtle.verify(known.verification, key, signature, signingInput).catch(() => false);
}

async function read(jwk: JWK, alg: string): Promise<CryptoKey | undefined> {
  // jose gives bytes for symmetric keys alone, which `typeProblem` has refused.
  return (await importJWK(jwk, alg).catch(() => undefined)) as CryptoKey | undefined;
}

interface Algorithm {
  readonly kty: string;
  readonly crv?: string;
  /** As WebCrypto wants it for a signature; an RSA key brings its hash along. */
  readonly verification: { readonly name: string; readonly hash?: string; readonly saltLength?: number };
}

const rsa = (name: string): Algorithm => ({ kty: "RSA", verification: { name } });
const pss = (saltLength: number): Algorithm => ({ kty: "RSA", verification: { name: "RSA-PSS", saltLength } });
const ecdsa = (crv: string, hash: string): Algorithm => ({ kty: "EC", crv, verification: { name: "ECDSA", hash } });
const ed25519: Algorithm = { kty: "OKP", crv: "Ed25519", verification: { name: "Ed25519" } };

/** RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2. */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  RS256: rsa("RSASSA-PKCS1-v1_5"),
  RS384: rsa("RSASSA-PKCS1-v1_5"),
  RS512: rsa("RSASSA-PKCS1-v1_5"),
  PS256: pss(32),
  PS384: pss(48),
  PS512: pss(64),
  ES256: ecdsa("P-256", "SHA-256"),
  ES384: ecdsa("P-384", "SHA-384"),
  ES512: ecdsa("P-521", "SHA-512"),
  EdDSA: ed25519,
  Ed25519: ed25519,
};

/** RFC 7517 §4, RFC 7518 §3.3. */
function typeProblem(jwk: JWK, alg: string): string | undefined {
  const known = ALGORITHMS[alg];
  if (!known || jwk.kty !== known.kty || (known.crv && jwk.crv !== known.crv)) return `it is no key for ${alg}`;
  return jwk.alg !== undefined && jwk.alg !== alg ? `its alg is not ${alg}` : undefined;
}

function ownProblem(jwk: JWK): string | undefined {
  if (jwk.d !== undefined) return "its private half is published too";
  if (jwk.use !== undefined && jwk.use !== "sig") return "its use is not sig";
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes("verify"))) {
    return "its key_ops do not hold verify";
  }
  return jwk.kty === "RSA" ? rsaProblem(jwk) : pointProblem(jwk);
}

function pointProblem({ kty, x, y }: JWK): string | undefined {
  const coordinates: unknown[] = kty === "EC" ? [x, y] : [x];
  const readable = coordinates.every((one) => typeof one === "string" && isCanonicalBase64url(one));
  return readable ? undefined : "its point cannot be read";
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
  if (typeof encoded !== "string" || encoded.length > 2048 || !isCanonicalBase64url(encoded)) return undefined;
  const bytes = base64url.decode(encoded);
  return BigInt(`0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`);
}
