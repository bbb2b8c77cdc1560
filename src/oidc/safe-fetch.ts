import { printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { isAllowedAddress, literalAddress } from "./address-policy.ts";

/**
 * Opens one URL at an address that the policy allows. On Node it connects to the very address that it
 * vetted, so that a name which changes its mind in between gains nothing.
 */
export type IssuerFetch = (url: string, init: IssuerRequestInit, policy: FetchPolicy) => Promise<Response>;

interface IssuerRequestInit extends RequestInit {
  readonly signal: AbortSignal;
}

/** How far one issuer may be reached. */
export interface FetchPolicy {
  /** Development only. */
  readonly allowHttp: boolean;
  /** Addresses of one's own network; link-local ones stay shut. */
  readonly allowLocal: boolean;
  /** PEM: certificate authorities to trust instead of the platform's own. */
  readonly ca?: string;
}

/** A fetch that was refused or failed: the reason is fit to be told. */
export class IssuerFetchError extends Error {
  override readonly name = "IssuerFetchError";
}

export interface FetchedDocument {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface SentRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const GET_JSON: SentRequest = { method: "GET", headers: { accept: "application/json" } };

/**
 * Fetches a document, from an issuer as a rule: vetted address, no redirects, bounded in time (by `signal`)
 * and size.
 *
 * @throws {IssuerFetchError}
 */
export async function safeFetch(
  fetch: IssuerFetch,
  url: string,
  policy: FetchPolicy,
  signal: AbortSignal,
  request: SentRequest = GET_JSON,
): Promise<FetchedDocument> {
  vetUrl(url, policy);
  const shown = printable(url);
  try {
    const headers = { ...request.headers, "accept-encoding": "identity" };
    const response = await fetch(url, { ...request, redirect: "manual", signal, headers }, policy);
    if (response.status >= 300 && response.status < 400) {
      response.body?.cancel().catch(() => {});
      throw new IssuerFetchError(`${shown} answers with a redirect, which is not followed`);
    }
    return { status: response.status, headers: response.headers, body: await readBounded(response, shown) };
  } catch (error) {
    if (error instanceof IssuerFetchError) throw error;
    throw new IssuerFetchError(`${shown} cannot be fetched (${reasonOf(error, signal)})`, { cause: error });
  }
}

function vetUrl(url: string, { allowHttp, allowLocal }: FetchPolicy): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const secure = parsed?.protocol === "https:" || (parsed?.protocol === "http:" && allowHttp);
  if (!parsed || !secure || parsed.username || parsed.password) {
    throw new IssuerFetchError(`${printable(url)} is not an https URL`);
  }
  const literal = literalAddress(parsed);
  if (literal !== undefined && !isAllowedAddress(literal, allowLocal)) throw forbiddenAddress(url);
}

export function forbiddenAddress(url: string): IssuerFetchError {
  return new IssuerFetchError(`${printable(url)} is at an address that is not public`);
}

async function readBounded(response: Response, shown: string): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    size += read.value.length;
    if (size > limits.issuerFetch.bytes) {
      // Not waited for: the other side may never let go.
      reader?.cancel().catch(() => {});
      throw new IssuerFetchError(`${shown} answers with more than ${limits.issuerFetch.bytes} bytes`);
    }
    chunks.push(read.value);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "no answer in time";
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof IssuerFetchError) return cause.message;
  // Of several addresses that were tried, the first one's failure stands for the others'.
  const [first] = cause instanceof AggregateError ? cause.errors : [cause];
  const code = first instanceof Error && "code" in first ? first.code : undefined;
  return typeof code === "string" ? code : "connection failed";
}
