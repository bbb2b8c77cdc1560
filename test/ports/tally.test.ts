import { describe, expect, it } from "vitest";
import { createNodeMetrics } from "../../src/ports/node/metrics.ts";
import { createCounter, createHistogram, type Sample } from "../../src/ports/node/tally.ts";

/** Samples as Prometheus would write them, but for the order. */
const written = (samples: readonly Sample[]) =>
  samples.map(({ metricName = "", labels, value }) => `${metricName}${JSON.stringify(labels)} ${value}`);

describe("a counter", () => {
  it("counts by all of its labels, and has no sample before it counted", () => {
    const counter = createCounter({ name: "c_total", help: "", labels: ["one", "other"] });
    expect(counter.snapshot().values).toEqual([]);
    counter.of("a", "x").value += 1;
    counter.of("a", "y").value += 2;
    counter.of("a", "x").value += 1;
    expect(written(counter.snapshot().values)).toEqual(['{"one":"a","other":"x"} 2', '{"one":"a","other":"y"} 2']);
  });
});

describe("a histogram", () => {
  it("has in each bucket all that is at most its bound", () => {
    const histogram = createHistogram({ name: "h", help: "" }, [0.1, 1]);
    for (const value of [0.1, 0.25, 1, 4]) histogram.of().observe(value);
    expect(written(histogram.snapshot().values)).toEqual([
      'h_bucket{"le":0.1} 1',
      'h_bucket{"le":1} 3',
      'h_bucket{"le":"+Inf"} 4',
      "h_sum{} 5.35",
      "h_count{} 4",
    ]);
  });
});

describe("labels", () => {
  it("are few, however many registries there are and whatever methods are sent", async () => {
    const metrics = createNodeMetrics();
    for (let serial = 0; serial < 1000; serial += 1) {
      metrics.registryToken("granted", "granted", `registry-${serial}.example`);
      metrics.startRequest()(`METHOD-${serial}`, "/v2/auth", 405);
    }
    const { text } = await metrics.page("prometheus");
    const services = [...text.matchAll(/^berth_registry_tokens_total\{.*service="(.*)"\} (\d+)$/gm)];
    expect(services.length).toBeLessThan(250);
    expect(services.reduce((sum, [, , count]) => sum + Number(count), 0)).toBe(1000);
    expect(services.map(([, service]) => service)).toContain("other");
    expect(text.match(/^berth_http_request_duration_seconds_count.*$/gm)).toEqual([
      'berth_http_request_duration_seconds_count{method="other",route="/v2/auth",status="4xx"} 1000',
    ]);
  });
});
