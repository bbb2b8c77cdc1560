import { base64url } from "jose";
import { isCanonicalBase64url } from "../domain/text.ts";

/**
 * Signs a payload with one key by ES256 (RFC 7518 §3.4), under a header that was encoded before.
 *
 * @returns the JWS in its compact serialization (RFC 7515 §7.1)
 */
export type Sign = (encodedHeader: string, payload: string) => string | Promise<string>;

/** Whether a signature by ES256, as JOSE writes it, is of that text, which is ASCII, and of one key. */
export type Verify = (signingInput: string, signature: Uint8Array<ArrayBuffer>) => boolean | Promise<boolean>;

/** A JWS in its compact serialization (RFC 7515 §7.1), taken apart. */
export interface Compact {
  readonly header: Readonly<Record<string, unknown>>;
  readonly signingInput: string;
  /** As it came: nothing of it is true before the signature was found good. */
  readonly encodedPayload: string;
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** @returns `undefined` for what is none, or is not the one way to write it */
export function readCompact(compact: string): Compact | undefined {
  const parts = compact.split(".");
  // No token goes by two names.
  if (parts.length !== 3 || !parts.every(isCanonicalBase64url)) return undefined;
  const [encodedHeader, encodedPayload, signature] = parts as [string, string, string];
  const header = readObject(encodedHeader);
  if (!header) return undefined;
  const signingInput = `${encodedHeader}.${encodedPayload}`;
  return { header, signingInput, encodedPayload, signature: new Uint8Array(base64url.decode(signature)) };
}

/** @returns `undefined` for what is no JSON object in base64url */
export function readObject(encoded: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(UTF8.decode(base64url.decode(encoded)));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

export function encodeHeader(header: object): string {
  return base64url.encode(JSON.stringify(header));
}
