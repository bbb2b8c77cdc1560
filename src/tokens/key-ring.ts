import type { JWK } from "jose";
import type { SigningKey } from "./signing-key.ts";

/** A key that verifies. */
export interface PublicKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly publicKey: CryptoKey;
}

export interface RobotTokenKeys {
  readonly signing: SigningKey;
  readonly verifying: readonly PublicKey[];
}

export interface RegistryKeys {
  /** `certificate` is the base64 DER of its leaf. */
  readonly signing: SigningKey & { readonly certificate: string };
  readonly verifying: readonly CryptoKey[];
  /** PEM, the certificates that the registry is to trust. */
  readonly authorities: readonly string[];
}

/** The service's signing keys, opened once and read again now and then. */
export interface Keys {
  robotToken(): Promise<RobotTokenKeys>;
  registry(registryId: string): Promise<RegistryKeys>;
  /** Whether a public key is one of these, whatever it calls itself. */
  isOwn(jwk: JWK): Promise<boolean>;
}
