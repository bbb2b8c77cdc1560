import { writeSync } from "node:fs";
import type { TestContext } from "vitest";

/** What a test measured, beside what it was held to. */
export interface Figure {
  readonly what: string;
  readonly figure: string;
  /** Absent where it is told for information alone. */
  readonly bound?: string;
}

declare module "vitest" {
  interface TaskMeta {
    figures?: Figure[];
  }
}

/** Notes a figure for the page, and prints it. */
export function tell({ task }: TestContext, what: string, figure: string | number, bound?: string): void {
  task.meta.figures = [...(task.meta.figures ?? []), { what, figure: String(figure), ...(bound && { bound }) }];
  writeSync(1, `  ${what}: ${figure}${bound ? ` (${bound})` : ""}\n`);
}

/** Milliseconds, as a person reads them. */
export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, figure, bound = "" }) => `| ${what} | ${figure} | ${bound} |`);
  return ["| | measured | held to |", "| --- | --- | --- |", ...rows, ""].join("\n");
}
