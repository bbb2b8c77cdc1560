import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import postgres from "postgres";
import type { Environment } from "../src/environment.ts";
import { startIssuer, type TestIssuer } from "../test/support/issuer.ts";
import { type Contest, compare, median } from "./compare.ts";
import { coldRegistryTokenContest, exchangeContest, registryTokenContest, type Servers } from "./contests.ts";
import { type DatabaseKind, type Databases, openDatabases } from "./database.ts";
import { type Population, populate } from "./growth.ts";
import { type Call, load, type Pace } from "./load.ts";
import { type ServerProcess, startServerProcess } from "./process.ts";
import { createRobots, type Robot } from "./robots.ts";
import type { Figure, Row } from "./table.ts";

type Tell = (line: string) => void;

/** What is closed at the end, last one first. */
export type Closers = (() => Promise<void>)[];

interface Bench {
  readonly databases: Databases;
  readonly issuer: TestIssuer;
  readonly closers: Closers;
  readonly pace: Pace;
  readonly tell: Tell;
}

/** What Berth should reach of its baselines' throughput. */
const REACH = { registryToken: 0.7, coldRegistryToken: 0.5, exchange: 0.5 };
const SMALL: Population = { organizations: 1, robotsOfEach: 200, bindingsOfEach: 10 };
const LARGE: Population = { organizations: 1000, robotsOfEach: 100, bindingsOfEach: 10 };
const ROBOTS = 200;
const GROWTH_ROUNDS = 5;

/** As an operator does: what starts is what runs in production. */
export async function build(): Promise<void> {
  await promisify(execFile)("npm", ["run", "--silent", "build"], { cwd: new URL("..", import.meta.url) });
}

export async function openBench(kind: DatabaseKind, pace: Pace, closers: Closers, tell: Tell): Promise<Bench> {
  const issuer = await startIssuer();
  closers.push(issuer.close);
  const databases = await openDatabases(kind);
  closers.push(databases.remove);
  return { databases, issuer, closers, pace, tell };
}

/** Berth beside baselines, on databases of one kind; and what its process takes. */
export async function measureThroughput(bench: Bench, kind: DatabaseKind): Promise<{ rows: Row[]; figures: Figure[] }> {
  const { databases, issuer, closers, pace, tell } = bench;
  const adminToken = randomBytes(24).toString("base64url");
  const baseline = await startServerProcess(new URL("./baseline.ts", import.meta.url), [], "/signature", {
    ...(await databases.create("baseline")),
    JWKS_URL: `${issuer.url}/jwks`,
  });
  closers.push(baseline.stop);

  const berth = await startBerth(bench, await databases.create("berth"), adminToken);
  const idle = await berth.resident();
  tell("making robots");
  const robots = await createRobots(berth.url, adminToken, issuer);
  const servers: Servers = { berth: berth.url, baseline: baseline.url };
  const registryTokens = await compare(await registryTokenContest(servers, robots, issuer), pace, tell);
  const exchanges = await compare(exchangeContest(servers, robots, issuer), pace, tell);
  const busy = await berth.resident();

  const forgetful = await startBerth(bench, await databases.create("cold"), adminToken, { BERTH_MAX_STALENESS: "0" });
  tell("making robots");
  const strangers = await createRobots(forgetful.url, adminToken, issuer);
  const coldServers = { ...servers, berth: forgetful.url };
  const cold = await compare(coldRegistryTokenContest(coldServers, strangers, issuer), pace, tell);

  return {
    rows: [
      { database: kind, comparison: registryTokens, reach: REACH.registryToken },
      { database: kind, comparison: cold, reach: REACH.coldRegistryToken },
      { database: kind, comparison: exchanges, reach: REACH.exchange },
    ],
    figures: [
      { what: `${kind}: ready after`, value: berth.readyAfter, unit: "s", ...(kind === "postgres" && { limit: 1 }) },
      { what: `${kind}: resident, idle`, value: mebi(idle), unit: "MiB", ...(kind === "postgres" && { limit: 150 }) },
      { what: `${kind}: resident, loaded`, value: mebi(busy), unit: "MiB", ...(kind === "postgres" && { limit: 300 }) },
    ],
  };
}

/** Half of all answers, from a database with a million bindings beside one that is all but empty. */
export async function measureGrowth(bench: Bench): Promise<Figure[]> {
  const sides = {
    small: await startPopulated(bench, "small", SMALL),
    large: await startPopulated(bench, "large", LARGE),
  };
  const contests = {
    exchange: ({ url, robots }: Side) => exchangeContest({ berth: url, baseline: "" }, robots, bench.issuer),
    "registry token": ({ url, robots }: Side) =>
      registryTokenContest({ berth: url, baseline: "" }, robots, bench.issuer),
  };
  const figures: Figure[] = [];
  for (const [what, contest] of Object.entries(contests)) {
    const small = (await contest(sides.small)) as Contest;
    const large = (await contest(sides.large)) as Contest;
    const ratios: number[] = [];
    // The first round warms both up.
    for (let round = 0; round <= GROWTH_ROUNDS; round++) {
      bench.tell(`growth: ${what}, round ${round} of ${GROWTH_ROUNDS}`);
      const before = await p50(small, bench.pace);
      const after = await p50(large, bench.pace);
      if (round > 0) ratios.push(after / before);
    }
    figures.push({ what: `${what}, p50, grown`, value: median(ratios), unit: "times", limit: 1.2 });
  }
  return figures;
}

interface Side {
  readonly url: string;
  readonly robots: readonly Robot[];
}

async function startPopulated(bench: Bench, name: string, population: Population): Promise<Side> {
  const environment = await bench.databases.create(name);
  const { url } = await startBerth(bench, environment, randomBytes(24).toString("base64url"));
  const sql = postgres(String(environment.DATABASE_URL), { max: 1, onnotice: () => {} });
  try {
    const tell = (line: string) => bench.tell(`growth: ${line}`);
    return { url, robots: await populate(sql, bench.issuer.url, population, ROBOTS, tell) };
  } finally {
    await sql.end();
  }
}

async function p50<C extends Call>(contest: Contest<C>, pace: Pace): Promise<number> {
  const result = await load(contest.subject.origin, await contest.prepare(Math.ceil(CALLS * pace.seconds)), pace);
  for (const answer of result.answers) contest.check(answer);
  return result.p50;
}

/** Made ready for each second: a run may end when they run out, and knows its p50 by then. */
const CALLS = 3000;

async function startBerth(
  { closers }: Bench,
  database: Environment,
  adminToken: string,
  more: Environment = {},
): Promise<ServerProcess> {
  const berth = await startServerProcess(new URL("../dist/main.js", import.meta.url), ["serve"], "/readyz", {
    ...database,
    BERTH_ADMIN_TOKEN: adminToken,
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    BERTH_ALLOW_INSECURE_ISSUERS: "true",
    BERTH_RATE_LIMITS: "off",
    ...more,
  });
  closers.push(berth.stop);
  return berth;
}

function mebi(bytes: number): number {
  return bytes / 1024 / 1024;
}
