import { limits } from "../limits.ts";
import type { BindingTerms } from "./binding.ts";
import { claimsInScope } from "./binding.ts";
import { type Json, type JsonObject, member } from "./json.ts";
import type { Preset } from "./preset.ts";

/** What is kept of a token's claims with the record of its exchange. */
export interface KeptClaims {
  readonly claims: JsonObject;
  /** Names of claims that the token had, and that were not kept. */
  readonly leftOut: readonly string[];
  /** How many more there were. */
  readonly unnamed: number;
}

/** Characters of JSON. */
export interface ClaimsRoom {
  readonly claims: number;
  readonly names: number;
}

/** The registered claims (RFC 7519 §4.1), the short ones first, and those that name a client. */
const ALWAYS = ["exp", "iat", "nbf", "jti", "iss", "sub", "aud", "azp", "client_id", "appid"];

/**
 * The claims that bindings look at, and those that the issuer's preset knows to be no secret and nobody's
 * own: enough to tell later why a token was refused, and no more.
 */
export function keepClaims(
  payload: JsonObject,
  bindings: readonly Pick<BindingTerms, "claims" | "scope">[],
  presets: readonly (Preset | undefined)[],
  room: ClaimsRoom,
): KeptClaims {
  const wanted = new Set([
    ...ALWAYS,
    ...bindings.flatMap(({ claims, scope }) => [...Object.keys(claims ?? {}), ...claimsInScope(scope ?? "")]),
    ...presets.flatMap((preset) => preset?.claims ?? []),
  ]);
  const claims: Record<string, Json> = {};
  let left = room.claims;
  for (const name of wanted) {
    const value = member(payload, name);
    if (value === undefined) continue;
    const size = name.length + JSON.stringify(value).length;
    if (size > limits.audit.claim || size > left) continue;
    // Not an assignment, which `__proto__` would turn into something else.
    Object.defineProperty(claims, name, { value, enumerable: true });
    left -= size;
  }
  const others = Object.keys(payload).filter((name) => !Object.hasOwn(claims, name));
  const leftOut = firstWithin(others, room.names);
  return { claims, leftOut, unnamed: others.length - leftOut.length };
}

/** The texts at the start of a list that have so many characters together. */
export function firstWithin(texts: readonly string[], room: number): string[] {
  let left = room;
  const end = texts.findIndex((text) => {
    left -= JSON.stringify(text).length;
    return left < 0;
  });
  return texts.slice(0, end < 0 ? texts.length : end);
}
