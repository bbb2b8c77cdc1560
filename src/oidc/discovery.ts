import { allowInsecureRequests, customFetch, discovery, None } from "openid-client";
import type { Refusal } from "../domain/refusal.ts";
import { printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { IssuerKeysInvalid, type KeySet, parseKeySet } from "./key-set.ts";
import { type FetchPolicy, type IssuerFetch, IssuerFetchError, safeFetch } from "./safe-fetch.ts";

export interface FetchKeysDeps {
  readonly fetch: IssuerFetch;
  readonly policy: FetchPolicy;
  /** Berth's own address, which is nobody's issuer. */
  readonly publicUrl: string;
}

export interface FetchedKeys {
  readonly keys: KeySet;
  /** Seconds, as the server says. */
  readonly maxAge?: number;
}

/**
 * Fetches an issuer's keys: from its own `jwks_uri`, or from where OpenID Connect Discovery says.
 *
 * @throws {IssuerFetchError} {IssuerKeysInvalid} what openid-client throws
 */
export async function fetchKeys(deps: FetchKeysDeps, issuer: string, jwksUri: string | null): Promise<FetchedKeys> {
  const signal = AbortSignal.timeout(limits.issuerFetch.milliseconds);
  const uri = jwksUri ?? (await discoverKeysUri(deps, issuer, signal));
  if (URL.canParse(uri) && new URL(uri).origin === new URL(deps.publicUrl).origin) {
    throw new IssuerKeysInvalid("its keys would be those of this service itself");
  }
  const document = await safeFetch(deps.fetch, uri, deps.policy, signal);
  if (document.status !== 200) throw new IssuerFetchError(`its keys were answered with status ${document.status}`);
  const maxAge = readMaxAge(document.headers.get("cache-control"));
  return { keys: parseKeySet(document.body), ...(maxAge !== undefined && { maxAge }) };
}

/** @see OpenID Connect Discovery 1.0 §4 */
async function discoverKeysUri({ fetch, policy }: FetchKeysDeps, issuer: string, signal: AbortSignal): Promise<string> {
  const configuration = await discovery(new URL(issuer), "berth", undefined, None(), {
    [customFetch]: async (url) => {
      const { status, body } = await safeFetch(fetch, url, policy, signal);
      if (status !== 200) throw new IssuerFetchError(`its discovery document was answered with status ${status}`);
      const named = readIssuer(body);
      // The library compares parsed URLs, which forgives an added slash or another case: that is another issuer.
      if (named !== undefined && named !== issuer) {
        throw new IssuerKeysInvalid(`its discovery document names another issuer, ${printable(named)}`, { named });
      }
      return new Response(body);
    },
    execute: policy.allowHttp ? [allowInsecureRequests] : [],
  });
  const { jwks_uri: uri } = configuration.serverMetadata();
  if (!uri) throw new IssuerKeysInvalid("its discovery document has no jwks_uri");
  return uri;
}

function readIssuer(body: Uint8Array): string | undefined {
  try {
    const { issuer } = JSON.parse(new TextDecoder().decode(body));
    return typeof issuer === "string" ? issuer : undefined;
  } catch {
    return undefined;
  }
}

function readMaxAge(cacheControl: string | null): number | undefined {
  const seconds = /(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])/i.exec(cacheControl ?? "")?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

/** Why no keys could be had, as the audit log keeps it. */
export function describeFailure(issuer: string, error: unknown): Refusal {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof IssuerFetchError) {
      return { code: "issuer_unreachable", issuer, detail: cause.message, retryAfter: 1 };
    }
    if (cause instanceof IssuerKeysInvalid) {
      const { message: detail, named } = cause;
      return { code: "issuer_keys_invalid", issuer, detail, retryAfter: 1, ...(named !== undefined && { named }) };
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
