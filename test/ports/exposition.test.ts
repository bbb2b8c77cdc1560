import { describe, expect, it } from "vitest";
import { present, unite } from "../../src/ports/node/exposition.ts";
import type { Figures, Snapshot } from "../../src/ports/node/tally.ts";

const tokens = (value: number): Snapshot => ({
  name: "tokens_total",
  help: "Tokens.",
  type: "counter",
  aggregator: "sum",
  values: [{ labels: { service: 'a "quoted"\\one\n' }, value }],
});
const age = (value: number): Snapshot => ({
  name: "age_seconds",
  help: "Since then.",
  type: "gauge",
  aggregator: "max",
  values: [{ labels: {}, value }],
});

describe("figures", () => {
  it("are written for Prometheus, whatever a label holds", () => {
    expect(present([tokens(3), age(Number.POSITIVE_INFINITY)], "prometheus").text).toBe(
      [
        "# HELP tokens_total Tokens.",
        "# TYPE tokens_total counter",
        'tokens_total{service="a \\"quoted\\"\\\\one\\n"} 3',
        "# HELP age_seconds Since then.",
        "# TYPE age_seconds gauge",
        "age_seconds +Inf",
        "",
      ].join("\n"),
    );
  });

  it("are written as OpenMetrics, where only the samples of a counter end in _total", () => {
    const { text } = present([tokens(3)], "openmetrics");
    expect(text).toContain("# HELP tokens Tokens.\n# TYPE tokens counter\ntokens_total{");
    expect(text.endsWith("\n# EOF\n")).toBe(true);
  });

  it("of several processes become one's, as each of them says how", async () => {
    const value = (figures: Figures, name: string) => figures.find((one) => one.name === name)?.values[0]?.value;
    const united = await unite([[tokens(3), age(2)], [tokens(4), age(9)], [tokens(5)]]);
    expect([value(united, "tokens_total"), value(united, "age_seconds")]).toEqual([12, 9]);
    expect(await unite([])).toEqual([]);
  });
});
