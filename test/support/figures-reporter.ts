import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename } from "node:path";
import type { Reporter, TestModule, Vitest } from "vitest/node";
import { replaceSection } from "./compatibility.ts";
import { formatFigures } from "./figures.ts";

const page = new URL("../../docs/reliability.md", import.meta.url);

/** With `--update`, writes the figures of every suite that passed whole into the section of its name. */
export class FiguresReporter implements Reporter {
  #update = false;

  onInit({ config }: Vitest): void {
    this.#update = config.snapshotOptions.updateSnapshot === "all";
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (!this.#update) return;
    let text = readFileSync(page, "utf8");
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      if (tests.some((test) => test.result().state !== "passed")) continue;
      const figures = tests.flatMap((test) => test.meta().figures ?? []);
      const section = basename(module.moduleId, ".test.ts");
      text = replaceSection(text, section, `${formatFigures(figures)}\n${whenAndWhere()}\n`);
    }
    writeFileSync(page, text);
  }
}

function whenAndWhere(): string {
  const processors = cpus();
  const [day] = new Date().toISOString().split("T");
  return `*${day}, Node.js ${process.versions.node}, ${processors.length} × ${processors[0]?.model}.*`;
}
