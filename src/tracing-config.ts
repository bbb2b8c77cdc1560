import { Secret } from "./domain/secret.ts";
import type { Reader } from "./environment.ts";

/** Where traces are sent, by the variables that OpenTelemetry names. */
export interface TracingConfig {
  /** Takes OTLP over HTTP: the whole URL. */
  readonly url: string;
  /** By header; they may hold the collector's credential. */
  readonly headers?: Secret;
  readonly serviceName?: string;
  readonly sampler: SamplerName;
  /** The share of requests that a sampler with `traceidratio` takes. */
  readonly ratio: number;
}

const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;
export type SamplerName = (typeof samplers)[number];

/**
 * Without an endpoint nothing else of it is looked at: whoever sets the others for all services of a site means
 * those that send traces.
 *
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function readTracing(reader: Reader): TracingConfig | undefined {
  const url = readUrl(reader);
  if (url === undefined || reader.text("OTEL_SDK_DISABLED")?.toLowerCase() === "true") return undefined;
  reader.oneOf("OTEL_EXPORTER_OTLP_PROTOCOL", ["http/protobuf"], "http/protobuf");
  const headers = reader.secret("OTEL_EXPORTER_OTLP_HEADERS", parseHeaders, "must be name=value, separated by commas");
  const serviceName = reader.text("OTEL_SERVICE_NAME");
  return {
    url,
    ...(headers && { headers }),
    ...(serviceName !== undefined && { serviceName }),
    sampler: reader.oneOf("OTEL_TRACES_SAMPLER", samplers, "parentbased_always_on"),
    ratio: readRatio(reader),
  };
}

/** That of traces stands as it is; to the other one the path of traces is added. */
function readUrl({ text, problem }: Reader): string | undefined {
  for (const [name, path] of [
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "/v1/traces"],
  ] as const) {
    const value = text(name);
    if (value === undefined) continue;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
      return problem(`${name} must be an http or https URL without a user (OTEL_EXPORTER_OTLP_HEADERS takes one)`);
    }
    return path === "" ? value : `${value.replace(/\/$/, "")}${path}`;
  }
  return undefined;
}

function parseHeaders(value: string): Secret | undefined {
  const isHeader = (item: string) => /^\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=[\x20-\x7e]*$/.test(item);
  return value.split(",").every(isHeader) ? new Secret(value) : undefined;
}

function readRatio({ text, problem }: Reader): number {
  const value = text("OTEL_TRACES_SAMPLER_ARG") ?? "1";
  const ratio = /^[0-9.]{1,20}$/.test(value) ? Number(value) : Number.NaN;
  if (ratio >= 0 && ratio <= 1) return ratio;
  problem(`OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, and is ${JSON.stringify(value)}`);
  return 1;
}
