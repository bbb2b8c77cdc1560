import { styleText } from "node:util";
import { type Comparison, median } from "./compare.ts";
import type { DatabaseKind } from "./database.ts";

export interface Row {
  /** Absent: what is measured needs none. */
  readonly database?: DatabaseKind;
  readonly comparison: Comparison;
  /** The ratio that it should reach. */
  readonly reach?: number;
}

/** One that stands beside a limit, not beside a baseline. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly limit?: number;
}

export function formatFigures(figures: readonly Figure[]): string {
  const width = Math.max(...figures.map(({ what }) => what.length));
  return figures
    .map(({ what, value, unit, limit }) => {
      const figure = `${what.padEnd(width)}  ${value.toPrecision(3).padStart(5)} ${unit}`;
      return limit === undefined ? figure : `${figure}, at most ${limit}`;
    })
    .join("\n");
}

const HEAD = ["database", "what", "a second", "ratio", "its range", "reach", "p50 ms", "p99 ms"];
/** The columns of words; the others hold figures and end flush. */
const WORDS = 2;

/** Two lines for each comparison: the baseline, and under it Berth with its ratio. */
export function formatTable(rows: readonly Row[]): string {
  const cells = rows.flatMap(({ database = "none", comparison: { titles, baseline, subject, ratios }, reach }) => [
    [database, titles.baseline, count(baseline.requestsPerSecond), "", "", "", ...latencies(baseline)],
    [
      "",
      titles.subject,
      count(subject.requestsPerSecond),
      ratio(median(ratios)),
      range(ratios),
      reach === undefined ? "" : ratio(reach),
      ...latencies(subject),
    ],
  ]);
  const widths = HEAD.map((head, column) => Math.max(head.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column < WORDS ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [styleText("bold", line(HEAD), { stream: process.stdout }), ...cells.map(line)].join("\n");
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function ratio(value: number): string {
  return value.toPrecision(2);
}

function range(sorted: readonly number[]): string {
  return `${ratio(sorted[0] ?? Number.NaN)}–${ratio(sorted.at(-1) ?? Number.NaN)}`;
}

function latencies({ p50, p99 }: Comparison["baseline"]): string[] {
  return [p50, p99].map((milliseconds) => milliseconds.toFixed(milliseconds < 1 ? 3 : 1));
}
