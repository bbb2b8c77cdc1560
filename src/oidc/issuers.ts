import type { JWK } from "jose";
import { allowInsecureRequests, customFetch, discovery, None } from "openid-client";
import type { Refusal } from "../domain/refusal.ts";
import { printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { type FetchPolicy, type IssuerFetch, IssuerFetchError, safeFetch } from "./safe-fetch.ts";

export interface IssuerKeysDeps {
  readonly fetch: IssuerFetch;
  readonly policy: FetchPolicy;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export type KeyResult = { readonly ok: true; readonly jwk: JWK } | { readonly ok: false; readonly refusal: Refusal };

export interface IssuerKeys {
  /** The issuer's key of that `kid`, from memory or from the issuer. */
  find(issuer: string, kid: string): Promise<KeyResult>;
}

/** Keys by `kid`; `undefined` for a `kid` that the set names twice. */
type KeySet = ReadonlyMap<string, JWK | undefined>;

/** What is known of an issuer: nothing but values, so that it may outlive the request that learned it. */
interface Entry {
  keys?: KeySet;
  /** Epoch seconds, as all times here. */
  freshUntil: number;
  staleUntil: number;
  unknownKidFrom: number;
  failures: number;
  retryFrom: number;
  refusal?: Refusal;
}

export type IssuerMemory = Map<string, Entry>;

/**
 * Finds issuers' keys by OpenID Connect Discovery and keeps them: fresh for a while, stale through an
 * outage, one fetch at a time for an issuer, and failures remembered with a growing pause.
 *
 * @param memory what a platform where requests cannot share a fetch under way keeps between them instead
 */
export function createIssuerKeys(deps: IssuerKeysDeps, memory: IssuerMemory = new Map()): IssuerKeys {
  const underway = new Map<string, Promise<void>>();
  const seconds = () => deps.now() / 1000;

  return {
    async find(issuer, kid) {
      const entry = recall(issuer);
      const fetched = seconds() >= entry.freshUntil && (await refresh(issuer, entry));
      if (!entry.keys || seconds() >= entry.staleUntil) return { ok: false, refusal: outage(issuer, entry) };

      if (!entry.keys.has(kid) && !fetched) await lookAgain(issuer, entry);
      return pick(entry.keys, kid);
    },
  };

  function recall(issuer: string): Entry {
    const entry = memory.get(issuer) ?? {
      freshUntil: 0,
      staleUntil: 0,
      unknownKidFrom: 0,
      failures: 0,
      retryFrom: 0,
    };
    memory.delete(issuer);
    memory.set(issuer, entry);
    if (memory.size > limits.issuerKeys.issuers) {
      const oldest = memory.keys().next();
      if (!oldest.done) memory.delete(oldest.value);
    }
    return entry;
  }

  /** For an unknown `kid`, once in a while; who comes while the look is under way waits for it. */
  async function lookAgain(issuer: string, entry: Entry): Promise<void> {
    if (!underway.has(issuer)) {
      if (seconds() < entry.unknownKidFrom) return;
      entry.unknownKidFrom = seconds() + limits.issuerKeys.unknownKidSeconds;
    }
    await refresh(issuer, entry);
  }

  /** Whether the issuer was asked, by this call or by one under way. */
  async function refresh(issuer: string, entry: Entry): Promise<boolean> {
    let asking = underway.get(issuer);
    if (!asking) {
      if (seconds() < entry.retryFrom || underway.size >= limits.issuerFetch.atOnce) return false;
      asking = ask(issuer, entry).finally(() => underway.delete(issuer));
      underway.set(issuer, asking);
    }
    await asking;
    return true;
  }

  async function ask(issuer: string, entry: Entry): Promise<void> {
    try {
      const { keys, maxAge } = await fetchKeys(deps, issuer);
      const { freshSeconds, minFreshSeconds, maxFreshSeconds, staleSeconds } = limits.issuerKeys;
      entry.keys = keys;
      entry.freshUntil = seconds() + Math.min(Math.max(maxAge ?? freshSeconds, minFreshSeconds), maxFreshSeconds);
      entry.staleUntil = entry.freshUntil + staleSeconds;
      entry.failures = 0;
      entry.retryFrom = 0;
    } catch (error) {
      const { minBackoffSeconds, maxBackoffSeconds } = limits.issuerKeys;
      entry.refusal = describeFailure(issuer, error);
      entry.retryFrom = seconds() + Math.min(minBackoffSeconds * 2 ** entry.failures, maxBackoffSeconds);
      entry.failures += 1;
    }
  }

  function outage(issuer: string, entry: Entry): Refusal {
    const retryAfter = Math.max(1, Math.ceil(entry.retryFrom - seconds()));
    const busy = { code: "issuer_unreachable", issuer, detail: "too many issuers are being asked at once" } as const;
    return { ...(entry.refusal ?? busy), retryAfter } as Refusal;
  }
}

function pick(keys: KeySet, kid: string): KeyResult {
  const jwk = keys.get(kid);
  if (jwk) return { ok: true, jwk };
  const refusal: Refusal = keys.has(kid)
    ? { code: "key_unusable", kid, detail: "the issuer's key set names it twice" }
    : { code: "key_unknown", kid };
  return { ok: false, refusal };
}

class IssuerKeysInvalid extends Error {
  override readonly name = "IssuerKeysInvalid";
}

async function fetchKeys(deps: IssuerKeysDeps, issuer: string): Promise<{ keys: KeySet; maxAge?: number }> {
  const signal = AbortSignal.timeout(limits.issuerFetch.milliseconds);
  const document = await safeFetch(deps.fetch, await discoverKeysUrl(deps, issuer, signal), deps.policy, signal);
  if (document.status !== 200) throw new IssuerFetchError(`its keys were answered with status ${document.status}`);
  const maxAge = readMaxAge(document.headers.get("cache-control"));
  return { keys: readKeySet(document.body), ...(maxAge !== undefined && { maxAge }) };
}

/** @see OpenID Connect Discovery 1.0 §4 */
async function discoverKeysUrl(deps: IssuerKeysDeps, issuer: string, signal: AbortSignal): Promise<string> {
  const configuration = await discovery(new URL(issuer), "berth", undefined, None(), {
    [customFetch]: async (url) => {
      const { status, headers, body } = await safeFetch(deps.fetch, url, deps.policy, signal);
      return new Response(body, { status, headers: { "content-type": headers.get("content-type") ?? "" } });
    },
    execute: deps.policy.allowHttp ? [allowInsecureRequests] : [],
  });
  const metadata = configuration.serverMetadata();
  // The library compares parsed URLs, which forgives an added slash or another case: that is another issuer.
  if (metadata.issuer !== issuer) {
    throw new IssuerKeysInvalid(`its discovery document names another issuer, ${printable(metadata.issuer)}`);
  }
  if (!metadata.jwks_uri) throw new IssuerKeysInvalid("its discovery document has no jwks_uri");
  return metadata.jwks_uri;
}

function readKeySet(body: Uint8Array): KeySet {
  const keys = readKeys(body);
  if (keys.length > limits.issuerFetch.keys) {
    throw new IssuerKeysInvalid(`its key set has ${keys.length} keys; ${limits.issuerFetch.keys} are allowed`);
  }
  const byKid = new Map<string, JWK | undefined>();
  for (const jwk of keys) {
    if (typeof jwk?.kid !== "string" || jwk.kty === "oct") continue;
    byKid.set(jwk.kid, byKid.has(jwk.kid) ? undefined : jwk);
  }
  if (byKid.size === 0) throw new IssuerKeysInvalid("its key set has no key with a kid");
  return byKid;
}

function readKeys(body: Uint8Array): readonly (JWK | null)[] {
  try {
    const set = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    if (Array.isArray(set?.keys)) return set.keys;
  } catch (error) {
    throw new IssuerKeysInvalid("its key set is not JSON", { cause: error });
  }
  throw new IssuerKeysInvalid("its key set has no list of keys");
}

function readMaxAge(cacheControl: string | null): number | undefined {
  const seconds = /(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])/i.exec(cacheControl ?? "")?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

function describeFailure(issuer: string, error: unknown): Refusal {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof IssuerFetchError) {
      return { code: "issuer_unreachable", issuer, detail: cause.message, retryAfter: 1 };
    }
    if (cause instanceof IssuerKeysInvalid) {
      return { code: "issuer_keys_invalid", issuer, detail: cause.message, retryAfter: 1 };
    }
  }
  const detail = error instanceof Error ? printable(error.message) : "unknown failure";
  return {
    code: "issuer_keys_invalid",
    issuer,
    detail: `its discovery document is not acceptable (${detail})`,
    retryAfter: 1,
  };
}
