import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { styleText } from "node:util";
import { Command, InvalidArgumentError, Option } from "commander";
import { startIssuer } from "../test/support/issuer.ts";
import { compare } from "./compare.ts";
import { exchangeContest, registryTokenContest } from "./contests.ts";
import { type DatabaseKind, databases, openDatabases } from "./database.ts";
import { connections } from "./load.ts";
import { startServerProcess } from "./process.ts";
import { createRobots } from "./robots.ts";
import { count, formatTable, type Row } from "./table.ts";
import { compareVerification } from "./verification.ts";

/** How much more a strict verification may cost than a bare one. */
const MAX_VERIFICATION_COST = 1.3;

type Closer = () => Promise<void>;

const { seconds, database } = new Command("npm run bench --")
  .description(
    "Measures Berth beside the least work that any server would have to do. bench/README.md says how to read it.",
  )
  .option("--seconds <number>", "how long each run lasts", readSeconds, 1.5)
  .addOption(
    new Option("--database <kind>", "measure on this one alone (default: one after the other)").choices(databases),
  )
  .showHelpAfterError()
  .parse()
  .opts<{ seconds: number; database?: DatabaseKind }>();

const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => reject(new Error(signal)));
});
const rows: Row[] = [];
tell("verification: in this process");
rows.push({ comparison: await compareVerification(seconds), reach: 1 / MAX_VERIFICATION_COST });
for (const kind of database ? [database] : databases) {
  const closers: Closer[] = [];
  try {
    rows.push(...(await Promise.race([measure(kind, closers), interrupted])));
  } catch (error) {
    console.error(`The benchmark ended early: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
    break;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
if (!process.exitCode) report(rows);
process.exit();

/** Both comparisons on one kind of database, with servers and data of their own. */
async function measure(kind: DatabaseKind, closers: Closer[]): Promise<Row[]> {
  tell(`${kind}: starting`);
  const issuer = await startIssuer();
  closers.push(issuer.close);
  const databases = await openDatabases(kind);
  closers.push(databases.remove);
  const adminToken = randomBytes(24).toString("base64url");
  const berth = await startServerProcess(new URL("../src/ports/node/main.ts", import.meta.url), ["serve"], "/readyz", {
    ...(await databases.create("berth")),
    BERTH_ADMIN_TOKEN: adminToken,
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    BERTH_ALLOW_INSECURE_ISSUERS: "true",
    BERTH_RATE_LIMITS: "off",
  });
  closers.push(berth.stop);
  const baseline = await startServerProcess(new URL("./baseline.ts", import.meta.url), [], "/signature", {
    ...(await databases.create("baseline")),
    JWKS_URL: `${issuer.url}/jwks`,
  });
  closers.push(baseline.stop);

  tell(`${kind}: making robots`);
  const robots = await createRobots(berth.url, adminToken, issuer);
  const servers = { berth: berth.url, baseline: baseline.url };
  const tellOf = (line: string) => tell(`${kind}: ${line}`);
  const registryTokens = await compare(await registryTokenContest(servers, robots, issuer), seconds, tellOf);
  const exchanges = await compare(exchangeContest(servers, robots, issuer), seconds, tellOf);
  return [registryTokens, exchanges].map((comparison) => ({ database: kind, comparison }));
}

function report(rows: readonly Row[]): void {
  const checked = rows.reduce((sum, { comparison }) => sum + comparison.checked, 0);
  console.log(`
${formatTable(rows)}

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
