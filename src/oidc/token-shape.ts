import { base64url } from "jose";
import { type Json, type JsonObject, member } from "../domain/json.ts";
import type { Refusal, TokenPart } from "../domain/refusal.ts";
import { isCanonicalBase64url, isPlainText, printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { parseStrictJsonObject, StrictJsonError } from "./strict-json.ts";

/** A token that reads one way only. Nothing in it has been proved yet. */
export interface ParsedToken {
  /** The compact serialization (RFC 7515 §7.1). */
  readonly compact: string;
  readonly alg: string;
  readonly kid: string;
  readonly claims: Claims;
}

/** The registered claims (RFC 7519 §4.1), checked for their types, and the whole payload. Times are epoch seconds. */
export interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  readonly jti?: string;
  readonly payload: JsonObject;
}

export type ShapeResult =
  | { readonly ok: true; readonly token: ParsedToken }
  | { readonly ok: false; readonly refusal: Refusal };

/** The algorithms that an issuer may sign with at all; what it does sign with is its own, shorter list. */
export const signatureAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/** Header parameters that change what the other bytes mean (RFC 7515 §4.1.11, RFC 7797, RFC 7516). */
const FORBIDDEN_PARAMETERS = ["crit", "b64", "zip", "enc"];
const TYPES = ["jwt", "at+jwt"];

class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

/**
 * Reads a signed JWT before any key is touched: bounds, canonical base64url, strict JSON, header rules,
 * types of the registered claims. It does no I/O, and its cost is bounded for any input.
 */
export function parseToken(compact: string): ShapeResult {
  try {
    return { ok: true, token: parse(compact) };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, refusal: error.refusal };
    throw error;
  }
}

function parse(compact: string): ParsedToken {
  if (compact.length > limits.token.bytes) refuseSize("token", compact.length, limits.token.bytes);
  const segments = compact.split(".");
  const [header, payload, signature] = segments;
  if (segments.length !== 3 || !header || !payload || !signature) {
    refuse({
      code: "token_malformed",
      detail: `a signed JWT has three parts separated by dots, none of them empty, and this has ${segments.length}`,
    });
  }
  for (const [name, segment] of Object.entries({ header, payload, signature })) {
    if (!isCanonicalBase64url(segment))
      refuse({ code: "token_malformed", detail: `its ${name} is not canonical base64url` });
  }
  const headerBytes = base64url.decode(header);
  if (headerBytes.length > limits.token.headerBytes) {
    refuseSize("header", headerBytes.length, limits.token.headerBytes);
  }
  const { alg, kid } = readHeader(parseJson(headerBytes, "header"));
  return { compact, alg, kid, claims: readClaims(parseJson(base64url.decode(payload), "payload")) };
}

function parseJson(bytes: Uint8Array, part: TokenPart): JsonObject {
  try {
    return parseStrictJsonObject(bytes, limits.token);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    return refuse({ code: "token_json_invalid", part, detail: printable(error.message) });
  }
}

function readHeader(header: JsonObject): { alg: string; kid: string } {
  const { alg, kid, typ } = header;
  if (typeof alg !== "string" || !signatureAlgorithms.some((one) => one === alg)) {
    refuse({
      code: "alg_not_allowed",
      by: "format",
      alg: typeof alg === "string" ? printable(alg, 32) : "",
      allowed: signatureAlgorithms,
    });
  }
  for (const parameter of FORBIDDEN_PARAMETERS) {
    if (parameter in header) refuse({ code: "header_not_allowed", parameter, detail: "it must not be there" });
  }
  if (typ !== undefined && !(typeof typ === "string" && TYPES.includes(typ.toLowerCase()))) {
    refuse({ code: "header_not_allowed", parameter: "typ", detail: "it must be absent, JWT or at+jwt" });
  }
  if (kid === undefined || kid === "") refuse({ code: "kid_missing" });
  if (typeof kid !== "string" || kid.length > limits.token.kid || !isPlainText(kid)) {
    refuse({
      code: "header_not_allowed",
      parameter: "kid",
      detail: `it must be printable text of at most ${limits.token.kid} characters`,
    });
  }
  return { alg, kid };
}

function readClaims(payload: JsonObject): Claims {
  const nbf = member(payload, "nbf") === undefined ? undefined : readTime(payload, "nbf");
  const jti = member(payload, "jti") === undefined ? undefined : readText(payload, "jti", limits.token.jti);
  return {
    iss: readText(payload, "iss", limits.issuer),
    sub: readText(payload, "sub", limits.subject),
    aud: readAudience(member(payload, "aud")),
    exp: readTime(payload, "exp"),
    iat: readTime(payload, "iat"),
    ...(nbf !== undefined && { nbf }),
    ...(jti !== undefined && { jti }),
    payload,
  };
}

function readText(payload: JsonObject, claim: string, limit: number): string {
  const value = member(payload, claim);
  if (value === undefined) refuse({ code: "claim_invalid", claim, detail: "it is missing" });
  return isText(value, limit)
    ? value
    : refuse({ code: "claim_invalid", claim, detail: `it must be printable text of 1 to ${limit} characters` });
}

/** An absent `aud` reads as none: a binding may go by the client instead. */
function readAudience(value: Json | undefined): readonly string[] {
  if (value === undefined) return [];
  const audiences: readonly Json[] = Array.isArray(value) ? value : [value as Json];
  const readable = audiences.filter((one) => isText(one, limits.binding.text));
  if (audiences.length <= limits.token.audiences && readable.length === audiences.length) return readable;
  return refuse({
    code: "claim_invalid",
    claim: "aud",
    detail: `it must be printable text, or at most ${limits.token.audiences} of it`,
  });
}

function readTime(payload: JsonObject, claim: string): number {
  const value = member(payload, claim);
  if (value === undefined) refuse({ code: "claim_invalid", claim, detail: "it is missing" });
  return typeof value === "number"
    ? value
    : refuse({ code: "claim_invalid", claim, detail: "it must be a number of seconds" });
}

function isText(value: Json, limit: number): value is string {
  return typeof value === "string" && value !== "" && value.length <= limit && isPlainText(value);
}

function refuseSize(part: "token" | "header", bytes: number, limit: number): never {
  refuse({ code: "token_too_large", part, bytes, limit });
}

function refuse(refusal: Refusal): never {
  throw new Refused(refusal);
}
