import { decodeJwt, decodeProtectedHeader } from "jose";
import type { Deps } from "../deps.ts";
import type { Secret } from "../domain/secret.ts";
import { printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { type FetchedDocument, IssuerFetchError, safeFetch } from "../oidc/safe-fetch.ts";
import { findApiToken } from "../store/principals.ts";
import type { Registry } from "../store/registries.ts";
import { opaqueTokenPrefixes } from "../tokens/opaque-token.ts";
import { robotTokenAudience } from "../tokens/robot-token.ts";
import { sha256 } from "../tokens/signing-key.ts";
import type { RequestOrigin } from "./audit.ts";
import type { Login } from "./authenticate-robot.ts";
import { countGuess } from "./login-limits.ts";

export interface FallbackRequest extends RequestOrigin {
  readonly login: Login;
  /** The credential that was read and the parameters, in the way that the client sent them. */
  readonly sent: {
    /** Of HTTP. */
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly query: URLSearchParams;
    /** A form. */
    readonly body?: URLSearchParams;
  };
  /** The request's `Via` header. */
  readonly via: string | undefined;
  /** Ends when the client goes. */
  readonly signal: AbortSignal;
}

export type FallbackResult =
  | { readonly answer: FetchedDocument }
  | { readonly refusal: { readonly code: "rate_limited"; readonly retryAfter: number } }
  | { readonly refusal: { readonly code: "fallback_unreachable"; readonly detail: string } };

type FallbackDeps = Pick<Deps, "config" | "db" | "clock" | "fetch" | "fallbacks" | "limiter" | "failedKnocks" | "log">;

/** A registry that names another token server beside this one. */
export type RegistryWithFallback = Registry & { readonly fallbackRealm: string };

/**
 * Whether a login is for the other token server: a person's, by a name that has no `+`, or an identity token;
 * and nothing that is for this service.
 */
export async function isForFallback(deps: FallbackDeps, registry: Registry, login: Login): Promise<boolean> {
  const isRobots = login.username !== undefined && /[+ ]|%2b/i.test(login.username);
  return !isRobots && !(await isOwnCredential(deps, registry, login.password));
}

/**
 * Whether a credential is for this service, be it good or not: a robot token of either kind, a refresh or
 * registry token, an OIDC token that is to be exchanged, an API token. None is handed on, whatever the name.
 */
async function isOwnCredential({ config, db }: FallbackDeps, { service }: Registry, secret: Secret): Promise<boolean> {
  const text = secret.reveal().trim();
  if (Object.values(opaqueTokenPrefixes).some((prefix) => text.includes(prefix))) return true;
  const tokens = (text.match(JWT) ?? []).flatMap((compact) => decode(compact) ?? []);
  const own: readonly unknown[] = [
    config.publicUrl,
    robotTokenAudience(config.publicUrl),
    service,
    ...config.audiences,
  ];
  const isOwn = tokens.some(({ typ, parties }) => typ.startsWith("berth-") || parties.some((one) => own.includes(one)));
  return isOwn || (await findApiToken(db, await sha256(text))) !== undefined;
}

/** Also within other text, such as that of a header. */
const JWT = /[\w-]+\.[\w-]+\.[\w-]*/g;

/** What a JWT says of itself, unproved: its type, its issuer and its audiences. */
function decode(text: string): { readonly typ: string; readonly parties: readonly unknown[] } | undefined {
  try {
    const { typ = "" } = decodeProtectedHeader(text);
    const { iss, aud } = decodeJwt(text);
    return { typ: String(typ), parties: [iss, aud].flat() };
  } catch {
    return undefined;
  }
}

/** Hands a login on to the token server that still answers for people, whose answer is passed on as it is. */
export async function askFallback(
  deps: FallbackDeps,
  { fallbackRealm: realm }: RegistryWithFallback,
  { requestId, clientAddress, login, sent, via, signal }: FallbackRequest,
): Promise<FallbackResult> {
  const unreachable = (reason: string): FallbackResult => {
    deps.log.warn("the fallback realm does not answer", { request_id: requestId, fallback_realm: realm, reason });
    return { refusal: { code: "fallback_unreachable", detail: `The token server that answers for people ${TOLD}` } };
  };
  if (isMarked(via)) return unreachable("it leads back here, or to another Berth that hands on");
  const from = clientAddress ?? "";
  if (isCrowded(deps, from)) return unreachable("too many wait for it already");
  const url = new URL(realm);
  for (const [name, value] of sent.query) url.searchParams.append(name, value);
  const { method, body } = sent;
  count(deps, from, 1);
  const guess = await countGuess(deps, { clientAddress, method, login });
  try {
    if (guess.wait > 0) return { refusal: { code: "rate_limited", retryAfter: guess.wait } };
    const answer = await safeFetch(
      deps.fetch,
      url.href,
      { allowHttp: url.protocol === "http:", allowLocal: true },
      AbortSignal.any([AbortSignal.timeout(limits.fallbackRealm.milliseconds), signal]),
      { method, headers: { ...sent.headers, via: `1.1 ${PSEUDONYM}` }, ...(body && { body: body.toString() }) },
    );
    if (answer.status >= 400 && answer.status < 500) guess.keep();
    else await guess.forgive();
    return canBePassedOn(answer) ? { answer } : unreachable(`it answers with the status ${answer.status}`);
  } catch (error) {
    if (!(error instanceof IssuerFetchError)) throw error;
    await guess.forgive();
    // What the client asked for is in the URL, which nobody needs to read in a log.
    return unreachable(error.message.replace(printable(url.href), "it"));
  } finally {
    count(deps, from, -1);
  }
}

/** Not every platform makes a response of a status that HTTP does not know. */
function canBePassedOn({ status }: FetchedDocument): boolean {
  return status >= 200 && status < 600;
}

function isCrowded({ fallbacks }: FallbackDeps, from: string): boolean {
  const { atOnce, atOnceOfAddress } = limits.fallbackRealm;
  const all = [...fallbacks.values()].reduce((sum, one) => sum + one, 0);
  return all >= atOnce || (fallbacks.get(from) ?? 0) >= atOnceOfAddress;
}

function count({ fallbacks }: FallbackDeps, from: string, by: 1 | -1): void {
  const underway = (fallbacks.get(from) ?? 0) + by;
  if (underway > 0) fallbacks.set(from, underway);
  else fallbacks.delete(from);
}

/** What is handed on is marked, so that it cannot go round: `Via: 1.1 pseudonym` (RFC 9110 §7.6.3). */
const PSEUDONYM = "berth-fallback";

function isMarked(via: string | undefined): boolean {
  const receivedBy = (via ?? "").split(",").map((entry) => entry.trim().split(/\s+/)[1]);
  return receivedBy.includes(PSEUDONYM);
}

const TOLD = "cannot be reached right now. Try again shortly.";
