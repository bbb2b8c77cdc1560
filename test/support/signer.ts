import { CompactSign, exportJWK, generateKeyPair, type JWK } from "jose";
import { subject } from "./issuer.ts";

/** Who signs tokens of an issuer that is nowhere to be asked: its key has to be uploaded. */
export interface Signer {
  /** The public half. */
  readonly jwk: JWK;
  readonly privateJwk: JWK;
  /** A token with good claims (the audience is given); `claims` and `header` replace or, with undefined, remove. */
  sign(audience: string, claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

export async function createSigner(issuer: string, kid = "key", alg = "RS256"): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    jwk: { ...(await exportJWK(publicKey)), kid, use: "sig" },
    privateJwk: { ...(await exportJWK(privateKey)), kid },
    sign(audience, claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000);
      const payload = { iss: issuer, sub: subject, aud: audience, iat: now, nbf: now, exp: now + 300, ...claims };
      return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
        .setProtectedHeader({ alg, kid, ...header })
        .sign(privateKey);
    },
  };
}
