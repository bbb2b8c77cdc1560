import { AsyncLocalStorage } from "node:async_hooks";
import type { IssuerFetch } from "../../oidc/safe-fetch.ts";
import type { LogFields, Tracing } from "../../platform.ts";
import { describeTrace } from "../log.ts";

/** Where a request comes from, and what is done for it, as far as this process tells. */
export interface NodeTracing extends Tracing {
  /** What a log line that is written now says of its trace. */
  fields(): LogFields | undefined;
  /** Does a part of a request's work, in a span of its own where spans are sent. */
  span<T>(name: string, attributes: SpanAttributes, work: () => Promise<T>): Promise<T>;
  /** Sends what is left. */
  close(): Promise<void>;
}

export type SpanAttributes = Readonly<Record<string, string | number>>;

/** Without a collector: the log alone tells of the caller's trace, and a request without one costs nothing. */
export function createLogTracing(): NodeTracing {
  const current = new AsyncLocalStorage<LogFields>();
  return {
    request({ traceparent }, work) {
      const trace = describeTrace(traceparent);
      return trace ? current.run(trace, work) : work();
    },
    fields: () => current.getStore(),
    span: (_name, _attributes, work) => work(),
    close: async () => {},
  };
}

/** Shows each fetch from an issuer by the issuer's host: the rest of a URL may tell of its tenant. */
export function traceFetch(tracing: NodeTracing, fetch: IssuerFetch): IssuerFetch {
  return (url, init, policy) =>
    tracing.span("issuer fetch", { "server.address": new URL(url).hostname }, () => fetch(url, init, policy));
}
