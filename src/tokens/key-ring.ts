import type { JWK } from "jose";
import type { Sign, Verify } from "./compact.ts";
import type { SigningKey } from "./signing-key.ts";

/** A key that verifies registry tokens. */
export interface PublicKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly publicKey: CryptoKey;
}

/** A key that verifies robot tokens. */
export interface VerifyingKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly verify: Verify;
}

export interface RobotTokenKeys {
  /** @throws {SealError} */
  signing(): Promise<SigningKey>;
  /** Next, active, and those retired not long ago. */
  readonly verifying: readonly VerifyingKey[];
}

/** How a registry finds the key of a token: a member of the token's header (RFC 7515 §4.1). */
export type KeyHint = { readonly x5c: string[] } | { readonly kid: string };

/** What signs a registry's tokens. */
export interface RegistrySigningKey {
  readonly sign: Sign;
  readonly hint: KeyHint;
}

export interface RegistryKeys {
  /** Of the key that signs. */
  readonly hint: KeyHint;
  /** @throws {SealError} */
  signing(): Promise<RegistrySigningKey>;
  readonly verifying: readonly CryptoKey[];
  /**
   * PEM, what the registry is to trust: authorities, and the certificates of keys that it finds by name. The
   * active ones come first, for one that reads no further.
   */
  readonly certificates: readonly string[];
  /** The keys that it finds by name. */
  readonly named: readonly PublicKey[];
}

/**
 * The service's signing keys, read again all the time. A private half is opened when it is to sign: one that
 * cannot be opened keeps nobody from verifying, or from signing with others.
 */
export interface Keys {
  robotToken(): Promise<RobotTokenKeys>;
  /** The key of that name, which another instance may have made a moment ago. */
  robotTokenKey(kid: string): Promise<VerifyingKey | undefined>;
  registry(registryId: string): Promise<RegistryKeys>;
  /** Whether a public key is one of these, whatever it calls itself. */
  isOwn(jwk: JWK): Promise<boolean>;
  /** To be called after a change of them. */
  reload(): Promise<void>;
}
