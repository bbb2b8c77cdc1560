import { base64url } from "jose";

/**
 * Signs a payload with one key by ES256 (RFC 7518 §3.4), under a header that was encoded before.
 *
 * @returns the JWS in its compact serialization (RFC 7515 §7.1)
 */
export type Sign = (encodedHeader: string, payload: string) => string | Promise<string>;

export function encodeHeader(header: object): string {
  return base64url.encode(JSON.stringify(header));
}
