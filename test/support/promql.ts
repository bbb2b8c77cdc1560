import { parser } from "@prometheus-io/lezer-promql";

/** What an expression asks Prometheus for. */
export interface Promql {
  /** The metrics, each with the labels that it is selected by. */
  readonly selectors: readonly { readonly metric: string; readonly labels: readonly string[] }[];
  /** The labels that it groups by, or joins on. */
  readonly grouping: readonly string[];
}

/** @throws {Error} when it is not PromQL; what Grafana puts in for `$…` may stand anywhere that it does */
export function readPromql(expression: string): Promql {
  const text = expression.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "1h");
  const selectors: { metric: string; labels: string[] }[] = [];
  const grouping: string[] = [];
  parser.parse(text).iterate({
    enter({ type, name, from, to, node }) {
      const part = text.slice(from, to);
      if (type.isError) throw new Error(`no PromQL at ${JSON.stringify(text.slice(from))}`);
      if (name === "Identifier") selectors.push({ metric: part, labels: [] });
      if (name === "LabelName" && node.parent?.name === "GroupingLabels") grouping.push(part);
      if (name === "LabelName" && node.parent?.name === "UnquotedLabelMatcher") selectors.at(-1)?.labels.push(part);
    },
  });
  return { selectors, grouping };
}
