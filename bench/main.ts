import { availableParallelism } from "node:os";
import { styleText } from "node:util";
import { Command, InvalidArgumentError, Option } from "commander";
import { type DatabaseKind, databases } from "./database.ts";
import { build, type Closers, measureGrowth, measureThroughput, openBench } from "./measure.ts";
import { count, type Figure, formatFigures, formatTable, type Row } from "./table.ts";
import { compareVerification } from "./verification.ts";

/** How much more a strict verification may cost than a bare one. */
const MAX_VERIFICATION_COST = 1.3;

const { seconds, connections, database, growth } = new Command("npm run bench --")
  .description(
    "Measures Berth beside the least work that any server would have to do. bench/README.md says how to read it.",
  )
  .option("--seconds <number>", "how long each run lasts", readSeconds, 1.5)
  .option("--connections <number>", "how many wait for an answer at once", readConnections, 32)
  .addOption(
    new Option("--database <kind>", "measure on this one alone (default: one after the other)").choices(databases),
  )
  .option("--no-growth", "leave out the database with a million bindings, which takes a few minutes")
  .showHelpAfterError()
  .parse()
  .opts<{ seconds: number; connections: number; database?: DatabaseKind; growth: boolean }>();

const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => reject(new Error(signal)));
});
const rows: Row[] = [];
const figures: Figure[] = [];
tell("building");
await build();
tell("verification: in this process");
rows.push({ comparison: await compareVerification(seconds), reach: 1 / MAX_VERIFICATION_COST });
for (const kind of database ? [database] : databases) {
  const closers: Closers = [];
  try {
    await Promise.race([measure(kind, closers), interrupted]);
  } catch (error) {
    console.error(`The benchmark ended early: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
    break;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
if (!process.exitCode) report(rows, figures);
process.exit();

async function measure(kind: DatabaseKind, closers: Closers): Promise<void> {
  const bench = await openBench(kind, { seconds, connections }, closers, (line) => tell(`${kind}: ${line}`));
  const measured = await measureThroughput(bench, kind);
  rows.push(...measured.rows);
  figures.push(...measured.figures);
  if (kind === "postgres" && growth) figures.push(...(await measureGrowth(bench)));
}

function report(rows: readonly Row[], figures: readonly Figure[]): void {
  const checked = rows.reduce((sum, { comparison }) => sum + comparison.checked, 0);
  console.log(`
${formatTable(rows)}

${formatFigures(figures)}

Every one of ${count(checked)} answers of Berth was 200 with a token of its own, for what was asked.
${connections} connections, each with one request under way, on ${availableParallelism()} CPUs. bench/README.md says how to read this.`);
}

function tell(line: string): void {
  console.error(styleText("dim", line, { stream: process.stderr }));
}

function readSeconds(value: string): number {
  const number = Number(value);
  if (!(number > 0 && number <= 600)) throw new InvalidArgumentError("It must be a number above 0 and at most 600.");
  return number;
}

function readConnections(value: string): number {
  const number = Number(value);
  if (!(Number.isInteger(number) && number > 0 && number <= 1000)) {
    throw new InvalidArgumentError("It must be a whole number above 0 and at most 1000.");
  }
  return number;
}
