import type { JWK } from "jose";
import { limits } from "../limits.ts";
import { createIssuerKey, type IssuerKey } from "./issuer-key.ts";

/** Keys by `kid`; `undefined` for a `kid` that the set names twice. */
export type KeySet = ReadonlyMap<string, IssuerKey | undefined>;

/** What an issuer publishes cannot be used: the reason is fit to be told. */
export class IssuerKeysInvalid extends Error {
  override readonly name = "IssuerKeysInvalid";
  /** The issuer that its discovery document names instead. */
  readonly named: string | undefined;

  constructor(message: string, { named, ...options }: ErrorOptions & { named?: string } = {}) {
    super(message, options);
    this.named = named;
  }
}

/**
 * Reads a JWK Set (RFC 7517 §5). Symmetric keys and keys without a `kid` are left out.
 *
 * @throws {IssuerKeysInvalid}
 */
export function readKeySet(keys: readonly (JWK | null)[]): KeySet {
  if (keys.length > limits.issuerFetch.keys) {
    throw new IssuerKeysInvalid(`its key set has ${keys.length} keys; ${limits.issuerFetch.keys} are allowed`);
  }
  const byKid = new Map<string, IssuerKey | undefined>();
  for (const jwk of keys) {
    if (typeof jwk?.kid !== "string" || jwk.kty === "oct") continue;
    byKid.set(jwk.kid, byKid.has(jwk.kid) ? undefined : createIssuerKey(withoutRest(jwk)));
  }
  if (byKid.size === 0) throw new IssuerKeysInvalid("its key set has no key with a kid");
  return byKid;
}

/** The members that are looked at: sets are kept for many issuers, and whatever else is in one is not. */
function withoutRest({ kty, crv, kid, use, key_ops, alg, n, e, x, y, d }: JWK): JWK {
  const all = { kty, crv, kid, use, key_ops, alg, n, e, x, y, d: d === undefined ? undefined : "" };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as JWK;
}

/** @throws {IssuerKeysInvalid} */
export function parseKeySet(body: Uint8Array): KeySet {
  return readKeySet(parseKeys(body));
}

function parseKeys(body: Uint8Array): readonly (JWK | null)[] {
  try {
    const set = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    if (Array.isArray(set?.keys)) return set.keys;
  } catch (error) {
    throw new IssuerKeysInvalid("its key set is not JSON", { cause: error });
  }
  throw new IssuerKeysInvalid("its key set has no list of keys");
}
