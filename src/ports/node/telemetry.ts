import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { detectResources, envDetector, type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { parseTraceparent } from "../../domain/trace-context.ts";
import type { Log, LogFields } from "../../platform.ts";
import type { TracingConfig } from "../../tracing-config.ts";
import type { NodeTracing } from "./tracing.ts";

/** How long the service's end waits for a collector that does not answer. */
const CLOSE_MILLISECONDS = 2000;

/** The request that is being answered, and its span as a parent of others. */
interface Scope {
  readonly context: Context;
  readonly fields: LogFields;
}

/**
 * Sends a span for each request, and one for each part of it that leaves this process. No span has a URL, a
 * header or an error's message, where a credential might be; a collector that does not answer loses spans.
 */
export function createTelemetry(config: TracingConfig, log: Log): NodeTracing {
  const current = new AsyncLocalStorage<Scope>();
  const provider = new TracerProvider({
    resource: describeService(config),
    sampler: createSampler(config),
    spanProcessors: [new BatchSpanProcessor({ exporter: createExporter(config, log) })],
  });
  const tracer = provider.getTracer("berth");

  return {
    request({ id, method, traceparent, answered }, work) {
      const attributes = { "http.request.method": method, "berth.request_id": id };
      const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, contextOf(traceparent));
      const { traceId, spanId } = span.spanContext();
      const scope = {
        context: trace.setSpan(ROOT_CONTEXT, span),
        fields: { trace_id: traceId, span_id: spanId },
      };
      return current.run(scope, async () => {
        try {
          await work();
        } finally {
          const { route, status } = answered();
          span.updateName(`${method} ${route}`);
          span.setAttributes({ "http.route": route, "http.response.status_code": status });
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        }
      });
    },

    fields: () => current.getStore()?.fields,

    async span(name, attributes, work) {
      const scope = current.getStore();
      if (!scope) return work();
      const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, scope.context);
      try {
        return await work();
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        if (error instanceof Error) span.setAttribute("error.type", error.name);
        throw error;
      } finally {
        span.end();
      }
    },

    async close() {
      const patience = new Promise((resolve) => setTimeout(resolve, CLOSE_MILLISECONDS).unref());
      await Promise.race([provider.shutdown(), patience]);
    },
  };
}

function contextOf(traceparent: string | undefined): Context {
  const caller = parseTraceparent(traceparent);
  if (!caller) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = caller;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags & 1, isRemote: true });
}

/** `OTEL_RESOURCE_ATTRIBUTES` says more of it. */
function describeService({ serviceName }: TracingConfig): Resource {
  return resourceFromAttributes({ "service.name": "berth" })
    .merge(detectResources({ detectors: [envDetector] }))
    .merge(resourceFromAttributes(serviceName === undefined ? {} : { "service.name": serviceName }));
}

function createSampler({ sampler, ratio }: TracingConfig): Sampler {
  const roots = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  const [, parentBased, root] = /^(parentbased_)?(.*)$/.exec(sampler) as unknown as [
    string,
    string,
    keyof typeof roots,
  ];
  return parentBased ? new ParentBasedSampler({ root: roots[root]() }) : roots[root]();
}

/** A batch that could not be sent is told of in the log, by the error's code alone. */
function createExporter({ url, headers }: TracingConfig, log: Log): SpanExporter {
  const exporter = new OTLPTraceExporter({ url, ...(headers && { headers: parseHeaders(headers.reveal()) }) });
  return {
    export: (spans, done) =>
      exporter.export(spans, ({ code, error }) => {
        if (error) log.warn("spans were lost", { spans: spans.length, reason: reasonOf(error) });
        done({ code });
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}

function reasonOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" || typeof code === "number" ? String(code) : error.name;
}

function parseHeaders(text: string): Record<string, string> {
  const pairs = text.split(",").map((pair) => {
    const [name = "", ...value] = pair.split("=");
    return [name.trim(), decode(value.join("=").trim())] as const;
  });
  return Object.fromEntries(pairs);
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
