import type { TestContext } from "vitest";

/** What one client was seen to do with one registry. */
export interface Observation {
  /** With its version, such as `podman 4.3`. */
  readonly client: string;
  /** With its version and how it trusts Berth. */
  readonly registry: string;
  readonly operation: string;
  readonly outcome: string;
}

declare module "vitest" {
  interface TaskMeta {
    observation?: Observation;
  }
}

/** Notes for the compatibility page what a test has seen. */
export function observe({ task }: TestContext, observation: Observation): void {
  task.meta.observation = observation;
}

/**
 * What was observed, a table for each registry: operations down, in the order in which they were tried, and
 * clients across.
 */
export function formatObservations(observations: readonly Observation[]): string {
  const registries = [...new Set(observations.map(({ registry }) => registry))].sort();
  return registries
    .map((registry) =>
      formatRegistry(
        registry,
        observations.filter((one) => one.registry === registry),
      ),
    )
    .join("\n");
}

function formatRegistry(registry: string, observations: readonly Observation[]): string {
  const clients = [...new Set(observations.map(({ client }) => client))].sort();
  const operations = [...new Set(observations.map(({ operation }) => operation))];
  const cell = (operation: string, client: string) =>
    observations.find((one) => one.operation === operation && one.client === client)?.outcome ?? "";
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    `### ${registry}`,
    "",
    row(["", ...clients]),
    row(["", ...clients].map(() => "---")),
    ...operations.map((operation) => row([operation, ...clients.map((client) => cell(operation, client))])),
    "",
  ].join("\n");
}

const begin = (section: string) => `<!-- ${section}: written by the tests -->\n`;
const end = (section: string) => `<!-- ${section}: end -->\n`;

/** The part of a page between a section's markers. */
export function readSection(page: string, section: string): string {
  return locate(page, section).text;
}

export function replaceSection(page: string, section: string, text: string): string {
  const { before, after } = locate(page, section);
  return before + text + after;
}

function locate(page: string, section: string): { before: string; text: string; after: string } {
  const start = page.indexOf(begin(section)) + begin(section).length;
  const stop = page.indexOf(end(section));
  if (start < begin(section).length || stop < start) throw new Error(`the page has no section ${section}`);
  return { before: page.slice(0, start), text: page.slice(start, stop), after: page.slice(stop) };
}

/** Which clients and registries a section is about: where others ran, it cannot be compared. */
export function readVersions(section: string): string {
  return section
    .split("\n")
    .filter((line) => line.startsWith("### ") || line.startsWith("|  |"))
    .join("\n");
}
