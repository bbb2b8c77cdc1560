import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Reporter, TestModule, Vitest } from "vitest/node";
import { formatObservations, readSection, readVersions, replaceSection } from "./compatibility.ts";

const page = new URL("../../docs/compatibility.md", import.meta.url);
const folder = new URL("../e2e/compatibility/", import.meta.url);

/**
 * Holds a section of the compatibility page against what ran, as a snapshot is held: where every case of the
 * section ran and the page says something else, the run fails, and with `--update` the page is written anew.
 * Where other versions of the programs ran it only says so.
 */
export class CompatibilityReporter implements Reporter {
  readonly #section: string;
  readonly #suites: RegExp;
  #update = false;

  /** @param suites matches the names of the section's test files */
  constructor(section: string, suites: RegExp) {
    this.#section = section;
    this.#suites = suites;
  }

  onInit({ config }: Vitest): void {
    this.#update = config.snapshotOptions.updateSnapshot === "all";
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const names = readdirSync(folder).filter((name) => this.#suites.test(name));
    const ran = modules.filter(({ moduleId }) => names.some((name) => moduleId === new URL(name, folder).pathname));
    if (ran.length < names.length || ran.some(isIncomplete)) return;

    const observed = formatObservations(
      ran.flatMap((module) => [...module.children.allTests()].flatMap((test) => test.meta().observation ?? [])),
    );
    const text = readFileSync(page, "utf8");
    const written = readSection(text, this.#section);
    if (observed === written) return;
    if (this.#update) {
      writeFileSync(page, replaceSection(text, this.#section, observed));
    } else if (readVersions(observed) === readVersions(written)) {
      console.log("docs/compatibility.md is not what ran: look into it, or write it anew with --update.");
      process.exitCode = 1;
    } else {
      console.log("docs/compatibility.md is of other clients and registries than ran here.");
    }
  }
}

function isIncomplete(module: TestModule): boolean {
  return [...module.children.allTests()].some((test) => test.result().state !== "passed");
}
