import { base64url, calculateJwkThumbprint, exportJWK, type JWK } from "jose";
import { SealError, type Sealer } from "./sealing.ts";

/** What a key is for; sealed in with it, so that one kind of key cannot be passed off as another. */
export type KeyPurpose = "robot_token" | "registry_authority" | "registry_token";

export const signatureAlgorithm = "ES256";

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
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };

export async function generateKey(
  id: string,
  purpose: KeyPurpose,
  registryId: string | null,
  sealer: Sealer,
): Promise<SealedKey> {
  const pair = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const publicJwk = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const sealedPrivateKey = await sealer.seal(pkcs8, sealingContext({ id, purpose, registryId }));
  pkcs8.fill(0);
  return { id, purpose, registryId, kid, publicJwk, sealedPrivateKey };
}

/** @throws {SealError} */
export async function openKey(key: SealedKey, sealer: Sealer): Promise<SigningKey> {
  if (key.sealedPrivateKey === null) throw new SealError("the private half of a key that was retired is gone");
  const pkcs8 = await sealer.open(key.sealedPrivateKey, sealingContext(key));
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]);
  pkcs8.fill(0);
  return { kid: key.kid, publicJwk: key.publicJwk, publicKey: await importPublicKey(key.publicJwk), privateKey };
}

export async function importPublicKey(jwk: JWK): Promise<CryptoKey> {
  return crypto.subtle.importKey("jwk", jwk as JsonWebKey, ALGORITHM, true, ["verify"]);
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
