import { base64url } from "jose";

/** Signs a text with one key by ES256 (RFC 7518 §3.4). @returns the signature in base64url */
export type Sign = (signingInput: string) => string | Promise<string>;

/** The JWS compact serialization (RFC 7515 §7.1) of claims under a header that was encoded before. */
export async function signCompact(encodedHeader: string, claims: object, sign: Sign): Promise<string> {
  const signingInput = `${encodedHeader}.${encodeSegment(claims)}`;
  return `${signingInput}.${await sign(signingInput)}`;
}

export function encodeSegment(value: object): string {
  return base64url.encode(JSON.stringify(value));
}
