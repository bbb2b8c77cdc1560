import type { Context } from "hono";
import type { ContentfulStatusCode, StatusCode } from "hono/utils/http-status";
import type { FetchedDocument } from "../oidc/safe-fetch.ts";
import type { FallbackRequest } from "../services/fallback-realm.ts";
import { type AppEnv, originOf } from "./context.ts";

const CREDENTIAL_PARAMETERS = ["username", "password", "refresh_token", "access_token", "client_secret"];
/** Those that are read, by grant type. */
const READ: Readonly<Record<string, readonly string[]>> = {
  password: ["username", "password"],
  refresh_token: ["refresh_token"],
};
const HEADERS = ["accept", "content-type", "user-agent"];

/**
 * A request for another token server, with the one credential in it that was read here.
 *
 * @param form what the client sent as one
 */
export function toFallbackRequest(
  c: Context<AppEnv>,
  form: URLSearchParams | undefined,
): Omit<FallbackRequest, "login"> {
  const grantType = form?.get("grant_type");
  const read = grantType ? READ[grantType] : [];
  const query = new URL(c.req.url).searchParams;
  const body = form && new URLSearchParams(form);
  for (const name of CREDENTIAL_PARAMETERS) {
    const value = read?.includes(name) ? (body?.get(name) ?? null) : null;
    query.delete(name);
    // Of one that came twice, the first was read.
    if (value === null) body?.delete(name);
    else body?.set(name, value);
  }
  const origin = originOf(c);
  const copied = (grantType ? HEADERS : [...HEADERS, "authorization"]).map((name) => [name, c.req.header(name)]);
  const headers = [...copied, ["x-forwarded-for", origin.clientAddress]].filter(([, value]) => value !== undefined);
  return {
    ...origin,
    via: c.req.header("via"),
    signal: c.req.raw.signal,
    sent: { method: c.req.method, headers: Object.fromEntries(headers), query, ...(body && { body }) },
  };
}

/** An answer of the other token server goes to the client as it came. */
export function passOn(c: Context<AppEnv>, { status, headers, body }: FetchedDocument): Response {
  for (const name of ["content-type", "www-authenticate", "retry-after"]) {
    const value = headers.get(name);
    if (value !== null) c.header(name, value);
  }
  c.header("Cache-Control", "no-store");
  // A page of the other server's must not act as one of this origin's.
  c.header("Content-Security-Policy", "sandbox");
  // A status without a body (204, 205) takes none, not even an empty one.
  return body.length > 0 ? c.body(body, status as ContentfulStatusCode) : c.body(null, status as StatusCode);
}
