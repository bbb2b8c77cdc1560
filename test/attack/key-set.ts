import { constants, createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { JWK } from "jose";
import { base64url } from "../support/compact.ts";
import { makeRocaKey } from "../support/roca.ts";

/** An issuer's published keys, most of them not fit for use, and the signatures that they make. */
export interface KeySet {
  readonly published: readonly JWK[];
  /** An unpadded base64url signature by the key of that name; by the good one where there is none of that name. */
  sign(name: unknown, alg: unknown, input: string): string;
}

type Sign = (input: string, alg: unknown) => Buffer;

export function makeKeySet(): KeySet {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const short = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const roca = makeRocaKey();
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const secp256k1 = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  const ed25519 = generateKeyPairSync("ed25519");
  const rsaJwk = publicJwk(rsa.publicKey);
  const ecJwk = publicJwk(p256.publicKey);
  const pem = rsa.publicKey.export({ type: "spki", format: "pem" });

  const signers = new Map<unknown, Sign>();
  const published: JWK[] = [];
  const publish = (kid: string, jwk: Readonly<Record<string, unknown>>, signer: Sign = signBy(rsa.privateKey)) => {
    published.push({ ...jwk, kid } as JWK);
    signers.set(kid, signer);
  };

  publish("good", rsaJwk);
  publish("good-ec", ecJwk, signBy(p256.privateKey));
  for (const [kid, members] of Object.entries(SPOILED)) publish(kid, { ...rsaJwk, ...members });
  publish("rsa-1024", publicJwk(short.publicKey), signBy(short.privateKey));
  publish("rsa-8193", { ...rsaJwk, n: base64url(Uint8Array.from([1, ...new Uint8Array(1023), 1])) });
  publish("rsa-roca", publicJwk(roca), signBy(roca));
  publish("rsa-e1", { ...rsaJwk, e: "AQ" }, signWithoutKey);
  publish("rsa-private", rsa.privateKey.export({ format: "jwk" }) as JWK);
  publish("ec-private", p256.privateKey.export({ format: "jwk" }) as JWK, signBy(p256.privateKey));
  publish("ec-p384", publicJwk(p384.publicKey), signBy(p384.privateKey));
  publish("ec-secp256k1", publicJwk(secp256k1.publicKey), signBy(secp256k1.privateKey));
  publish("ec-off-curve", { ...ecJwk, y: ecJwk.x }, signBy(p256.privateKey));
  publish("ed25519", publicJwk(ed25519.publicKey), (input) => sign(null, Buffer.from(input), ed25519.privateKey));
  publish("twice", rsaJwk);
  publish("twice", publicJwk(stranger.publicKey));
  publish("oct", { kty: "oct", k: base64url(pem) }, hmacBy(pem));

  signers.set("stranger", signBy(stranger.privateKey));
  signers.set("public key as secret", hmacBy(pem));
  signers.set("nothing", () => Buffer.from("nothing"));
  signers.set("zeros", () => Buffer.alloc(64));
  return {
    published,
    sign: (name, alg, input) => (signers.get(name) ?? signBy(rsa.privateKey))(input, alg).toString("base64url"),
  };
}

/** What is said of the good RSA key under another name, and makes it unfit (RFC 7517 §4, RFC 7518 §6.3). */
const SPOILED: Readonly<Record<string, object>> = {
  "use-enc": { use: "enc" },
  "use-upper-case": { use: "SIG" },
  "use-number": { use: 1 },
  "ops-sign": { key_ops: ["sign"] },
  "ops-encrypt": { key_ops: ["encrypt", "wrapKey"] },
  "ops-empty": { key_ops: [] },
  "ops-text": { key_ops: "verify" },
  "alg-other-hash": { alg: "RS512" },
  "alg-other-padding": { alg: "PS256" },
  "alg-encryption": { alg: "RSA-OAEP" },
  "alg-hmac": { alg: "HS256" },
  "alg-null": { alg: null },
  "alg-lower-case": { alg: "rs256" },
  "kty-ec": { kty: "EC" },
  "kty-lower-case": { kty: "rsa" },
  "kty-missing": { kty: undefined },
  "rsa-e2": { e: "Ag" },
  "rsa-e0": { e: "AA" },
  "rsa-e-even": { e: "AQAC" },
  "rsa-e-missing": { e: undefined },
  "rsa-e-number": { e: 65537 },
  "rsa-e-padded": { e: "AQAB=" },
  "rsa-n-missing": { n: undefined },
  "rsa-n-empty": { n: "" },
  "rsa-n-number": { n: 65537 },
};

function publicJwk(key: KeyObject): JWK {
  const { kty, crv, n, e, x, y } = key.export({ format: "jwk" }) as JWK;
  return JSON.parse(JSON.stringify({ kty, crv, n, e, x, y }));
}

/** Signs as the algorithm says; as RS256 or ES256 would where it says nothing sensible. */
function signBy(key: KeyObject): Sign {
  return (input, alg) => {
    const [, scheme, bits] = /^(RS|PS|ES)(256|384|512)$/.exec(String(alg)) ?? [];
    const padding = scheme === "PS" ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
    const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
    const asymmetric =
      key.asymmetricKeyType === "ec" ? { dsaEncoding: "ieee-p1363" as const } : { padding, saltLength };
    return sign(`sha${bits ?? "256"}`, Buffer.from(input), { key, ...asymmetric });
  };
}

function hmacBy(secret: string | Buffer): Sign {
  return (input, alg) =>
    createHmac(`sha${/^HS(\d+)$/.exec(String(alg))?.[1] ?? "256"}`, secret)
      .update(input)
      .digest();
}

/** With an exponent of 1 the padded digest is its own signature (RFC 8017 §9.2). */
function signWithoutKey(input: string): Buffer {
  const digestInfo = Buffer.concat([
    Buffer.from("3031300d060960864801650304020105000420", "hex"),
    createHash("sha256").update(input).digest(),
  ]);
  const padding = Buffer.alloc(256 - digestInfo.length - 3, 0xff);
  return Buffer.concat([Buffer.from([0, 1]), padding, Buffer.from([0]), digestInfo]);
}
