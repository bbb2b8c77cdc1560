import { decodeProtectedHeader } from "jose";
import type { Deps } from "../deps.ts";
import { printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { type FetchedDocument, IssuerFetchError, type SentRequest, safeFetch } from "../oidc/safe-fetch.ts";
import { isStaticToken } from "../tokens/static-token.ts";
import type { RequestOrigin } from "./audit.ts";
import type { Login } from "./authenticate-robot.ts";
import { countFailedLogin, loginWait } from "./login-limits.ts";

export interface FallbackRequest extends RequestOrigin {
  readonly login: Login;
  /** What the client sent, parameters and credential. */
  readonly sent: SentRequest & { readonly search: string };
}

export type FallbackResult =
  | { readonly answer: FetchedDocument }
  | { readonly refusal: { readonly code: "rate_limited"; readonly retryAfter: number } }
  | { readonly refusal: { readonly code: "fallback_unreachable"; readonly detail: string } };

type FallbackDeps = Pick<Deps, "config" | "clock" | "fetch" | "limiter" | "failedKnocks" | "log">;

/**
 * Whether a login is for the token server that a registry names beside this one: a person's name, which has no
 * `+`; or an identity token that is none of this service's.
 */
export function isForFallback({ username, password }: Login): boolean {
  return username === undefined ? !isOwnCredential(password.reveal()) : !/[+ ]/.test(username);
}

/** By its looks alone: one of this service's is never handed on, be it good or not. */
function isOwnCredential(text: string): boolean {
  if (isStaticToken(text)) return true;
  try {
    return decodeProtectedHeader(text).typ?.startsWith("berth-") ?? false;
  } catch {
    return false;
  }
}

/** Hands a login on to the token server that still answers for people, whose answer is passed on as it is. */
export async function askFallback(
  deps: FallbackDeps,
  realm: string,
  { requestId, clientAddress, login, sent }: FallbackRequest,
): Promise<FallbackResult> {
  const blocked = await loginWait(deps, clientAddress);
  if (blocked > 0) return { refusal: { code: "rate_limited", retryAfter: blocked } };
  const url = new URL(realm);
  for (const [name, value] of new URLSearchParams(sent.search)) url.searchParams.append(name, value);
  const { method, headers, body } = sent;
  try {
    const answer = await safeFetch(
      deps.fetch,
      url.href,
      { allowHttp: url.protocol === "http:", allowLocal: true },
      AbortSignal.timeout(limits.fallbackRealm.milliseconds),
      { method, headers, ...(body !== undefined && { body }) },
    );
    if (answer.status === 401) await countFailedLogin(deps, { clientAddress, method, login });
    return { answer };
  } catch (error) {
    if (!(error instanceof IssuerFetchError)) throw error;
    // What the client asked for is in the URL, which nobody needs to read in a log.
    const reason = error.message.replace(printable(url.href), realm);
    deps.log.warn("the fallback realm does not answer", { request_id: requestId, reason });
    return {
      refusal: { code: "fallback_unreachable", detail: "The token server that answers for people cannot be reached." },
    };
  }
}
