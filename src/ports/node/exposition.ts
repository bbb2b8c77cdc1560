import { AggregatorRegistry, Registry } from "prom-client";
import type { MetricsFormat, MetricsPage } from "../../platform.ts";
import type { Figures, Sample } from "./tally.ts";

/** The figures of several processes as one process's, as each metric says how. */
export async function unite(processes: readonly Figures[]): Promise<Figures> {
  const [alone = [], ...others] = processes;
  if (others.length === 0) return alone;
  const registry = AggregatorRegistry.aggregate(processes as unknown as object[]);
  return (await registry.getMetricsAsJSON()) as unknown as Figures;
}

/**
 * Writes figures down for Prometheus. prom-client takes several times as long for it, during which no request is
 * answered, and cannot write the same figures in both formats.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification
 */
export function present(figures: Figures, format: MetricsFormat): MetricsPage {
  const isOpen = format === "openmetrics";
  const lines: string[] = [];
  for (const { name, help, type, values } of figures) {
    // In OpenMetrics the samples of a counter end in _total, and its name does not.
    const shown = isOpen && type === "counter" ? name.replace(/_total$/, "") : name;
    lines.push(`# HELP ${shown} ${help}`, `# TYPE ${shown} ${type}`);
    for (const { metricName = name, labels, value } of values) {
      lines.push(`${metricName}${writeLabels(labels)} ${writeNumber(value)}`);
    }
  }
  if (isOpen) lines.push("# EOF");
  const contentType = isOpen ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
  return { contentType, text: `${lines.join("\n")}\n` };
}

function writeLabels(labels: Sample["labels"]): string {
  let written = "";
  for (const name in labels) {
    const value = String(labels[name]);
    written += `${written === "" ? "{" : ","}${name}="${SPECIAL.test(value) ? escapeText(value) : value}"`;
  }
  return written === "" ? "" : `${written}}`;
}

const SPECIAL = /[\\"\n]/;

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function writeNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
