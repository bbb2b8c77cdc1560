import { base64url, calculateJwkThumbprint, exportJWK, type JWK } from "jose";
import type { Sign, Verify } from "./compact.ts";
import { SealError, type Sealer } from "./sealing.ts";

/** What a key is for; sealed in with it, so that one kind of key cannot be passed off as another. */
export type KeyPurpose = "robot_token" | "registry_authority" | "registry_token";

export const signatureAlgorithm = "ES256";

/**
 * How a registry finds the key of a token: by the certificate that the token brings along, or by a name that
 * it was given together with the key.
 */
export const keyProfiles = ["x5c", "kid"] as const;
export type KeyProfile = (typeof keyProfiles)[number];

/** A P-256 key as it is stored: the private half sealed. */
export interface SealedKey {
  readonly id: string;
  readonly purpose: KeyPurpose;
  /** The registry that the key belongs to; `null` for the key of robot tokens. */
  readonly registryId: string | null;
  readonly kid: string;
  readonly publicJwk: JWK;
  /** `null` once it was destroyed. */
  readonly sealedPrivateKey: string | null;
}

/** The key in memory: the private half signs and cannot be taken out again. */
export interface SigningKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
  readonly sign: Sign;
}

/** Makes keys on P-256 ready to sign and to verify with, as fast as the platform does that. */
export interface Signatures {
  /** @param pkcs8 the same key as `privateKey` */
  importSigner(pkcs8: Uint8Array<ArrayBuffer>, privateKey: CryptoKey): Sign;
  importVerifier(publicJwk: JWK): Promise<Verify>;
}

export const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" };

/** What a key is made or taken up for. */
export interface KeyOwner {
  readonly id: string;
  readonly purpose: KeyPurpose;
  readonly registryId: string | null;
  /** Of keys of registry tokens alone. */
  readonly profile: KeyProfile | null;
}

export async function generateKey(owner: KeyOwner, sealer: Sealer): Promise<SealedKey> {
  return sealKey(await crypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]), owner, sealer);
}

/** @param pair extractable, on P-256 */
export async function sealKey(
  pair: CryptoKeyPair,
  { id, purpose, registryId, profile }: KeyOwner,
  sealer: Sealer,
): Promise<SealedKey> {
  const publicJwk = await exportJWK(pair.publicKey);
  const kid = profile === "kid" ? await libtrustKeyId(pair.publicKey) : await calculateJwkThumbprint(publicJwk);
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const sealedPrivateKey = await sealer.seal(pkcs8, sealingContext({ id, purpose, registryId }));
  pkcs8.fill(0);
  return { id, purpose, registryId, kid, publicJwk, sealedPrivateKey };
}

/**
 * The name that Distribution gives a key of its `rootcertbundle`: base32 of the first 240 bits of SHA-256
 * over the SubjectPublicKeyInfo, in twelve groups of four.
 *
 * @see https://github.com/docker/libtrust (`keyIDFromCryptoKey`)
 */
async function libtrustKeyId(publicKey: CryptoKey): Promise<string> {
  const spki = await crypto.subtle.exportKey("spki", publicKey);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", spki)).subarray(0, 30);
  return base32(digest).match(/.{4}/g)?.join(":") ?? "";
}

/** RFC 4648 §6, of a multiple of five bytes. */
function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{5}/g) ?? [])
    .map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)])
    .join("");
}

/** The same key, sealed with the key that seals now. */
export async function sealAnew(key: SealedKey, sealer: Sealer): Promise<string> {
  const pkcs8 = await openPrivateHalf(key, sealer);
  const sealed = await sealer.seal(pkcs8, sealingContext(key));
  pkcs8.fill(0);
  return sealed;
}

/** @throws {SealError} */
export async function openKey(
  key: SealedKey,
  sealer: Sealer,
  signatures: Signatures = webCryptoSignatures,
): Promise<SigningKey> {
  const pkcs8 = await openPrivateHalf(key, sealer);
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, keyAlgorithm, false, ["sign"]);
  const sign = signatures.importSigner(pkcs8, privateKey);
  pkcs8.fill(0);
  const { kid, publicJwk } = key;
  return { kid, publicJwk, publicKey: await importPublicKey(publicJwk), privateKey, sign };
}

/** What every platform has. */
export const webCryptoSignatures: Signatures = {
  importSigner: (_, privateKey) => async (encodedHeader, payload) => {
    const signingInput = `${encodedHeader}.${base64url.encode(payload)}`;
    const signature = await crypto.subtle.sign(SIGNATURE, privateKey, new TextEncoder().encode(signingInput));
    return `${signingInput}.${base64url.encode(new Uint8Array(signature))}`;
  },
  async importVerifier(publicJwk) {
    const publicKey = await importPublicKey(publicJwk);
    return (signingInput, signature) =>
      crypto.subtle.verify(SIGNATURE, publicKey, signature, new TextEncoder().encode(signingInput));
  },
};

const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };

function openPrivateHalf(key: SealedKey, sealer: Sealer): Promise<Uint8Array<ArrayBuffer>> {
  if (key.sealedPrivateKey === null) throw new SealError("the private half of a key that was retired is gone");
  return sealer.open(key.sealedPrivateKey, sealingContext(key));
}

export async function importPublicKey(jwk: JWK): Promise<CryptoKey> {
  return crypto.subtle.importKey("jwk", jwk as JsonWebKey, keyAlgorithm, true, ["verify"]);
}

/** The public half as a member of a JWKS (RFC 7517 §5). */
export function publicKeyEntry({ kid, publicJwk }: { kid: string; publicJwk: JWK }): JWK {
  return { ...publicJwk, kid, use: "sig", alg: signatureAlgorithm };
}

function sealingContext({ id, purpose, registryId }: Pick<SealedKey, "id" | "purpose" | "registryId">): string {
  return JSON.stringify(["signing-key", id, purpose, registryId]);
}

/** SHA-256 of a text, in base64url: how a credential is known at rest and in records. */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return base64url.encode(new Uint8Array(digest));
}
