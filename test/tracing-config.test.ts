import { describe, expect, it } from "vitest";
import { createReader, type Environment } from "../src/environment.ts";
import { readTracing } from "../src/tracing-config.ts";

const ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT";

function read(environment: Environment, files: Readonly<Record<string, string>> = {}) {
  const reader = createReader(environment, (path) => files[path] as string);
  return { tracing: readTracing(reader), problems: reader.problems };
}

describe("traces", () => {
  it("are sent nowhere without an endpoint, whatever else is set for all services of a site", () => {
    expect(read({ OTEL_TRACES_SAMPLER: "jaeger_remote", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })).toEqual({
      tracing: undefined,
      problems: [],
    });
    expect(read({ [ENDPOINT]: "http://collector:4318", OTEL_SDK_DISABLED: "TRUE" }).tracing).toBeUndefined();
  });

  it("are sent below the endpoint of all signals, or right to that of traces", () => {
    const url = (environment: Environment) => read(environment).tracing?.url;
    expect(url({ [ENDPOINT]: "http://collector:4318" })).toBe("http://collector:4318/v1/traces");
    expect(url({ [ENDPOINT]: "https://collector.example/otlp/" })).toBe("https://collector.example/otlp/v1/traces");
    expect(url({ [ENDPOINT]: "http://other:4318", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:4318/in" })).toBe(
      "http://traces:4318/in",
    );
  });

  it("follow their callers by default, or a share that is set", () => {
    expect(read({ [ENDPOINT]: "http://collector:4318" }).tracing).toEqual({
      url: "http://collector:4318/v1/traces",
      sampler: "parentbased_always_on",
      ratio: 1,
    });
    const share = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.05" };
    expect(read({ [ENDPOINT]: "http://collector:4318", ...share }).tracing).toMatchObject({
      sampler: "traceidratio",
      ratio: 0.05,
    });
  });

  it("take the collector's credential from a file, and never show it", () => {
    const environment = { [ENDPOINT]: "http://collector:4318", OTEL_EXPORTER_OTLP_HEADERS_FILE: "/headers" };
    const { tracing, problems } = read(environment, { "/headers": "authorization=Bearer%20secret\n" });
    expect(problems).toEqual([]);
    expect(tracing?.headers?.reveal()).toBe("authorization=Bearer%20secret");
    expect(JSON.stringify(tracing)).not.toContain("secret");
  });

  it.each([
    [ENDPOINT, "collector:4318"],
    [ENDPOINT, "ftp://collector"],
    [ENDPOINT, "http://user:password@collector:4318"],
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/v1/traces"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "no header"],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote"],
    ["OTEL_TRACES_SAMPLER_ARG", "half"],
    ["OTEL_TRACES_SAMPLER_ARG", "1.5"],
  ])("have a problem with %s=%s that is told", (name, value) => {
    const { problems } = read({ [ENDPOINT]: "http://collector:4318", [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(name);
    expect(problems[0]).not.toContain("password@");
  });
});
