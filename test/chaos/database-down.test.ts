import { setTimeout as sleep } from "node:timers/promises";
import postgresDriver from "postgres";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import type { BerthProcess } from "../support/berth-process.ts";
import { type ChaosSite, expectStatus, prepareSite, robot } from "../support/chaos-site.ts";
import { duration, tell } from "../support/figures.ts";
import { type Load, type Outcome, slowest, startLoad, tally } from "../support/load.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const OUTAGE_MILLISECONDS = 4000;
/** A server that stands still takes connections, and what it is asked: only time tells. */
const STAND_STILL_MILLISECONDS = 20_000;
/** Nobody waits longer for an answer, whatever the database does. */
const ANSWER_MILLISECONDS = 15_000;
/** From when the database can be connected to again. */
const RECOVERY_MILLISECONDS = 5000;
/** When the test gives up. */
const PATIENCE_MILLISECONDS = 30_000;

let postgres: TestPostgres;
let site: ChaosSite;
let berth: BerthProcess;
let robotToken: string;
let written = 0;

beforeAll(async () => {
  postgres = await startPostgres();
  site = await prepareSite({ postgres });
  berth = await site.start();
  await site.createRobots(["ci", "described"]);
  robotToken = expectStatus(200, await site.exchange(robot, await site.sign())).body.token;
});

afterAll(async () => {
  await berth.end("SIGKILL");
  await site.remove();
  await postgres.remove();
});

const described = "/organization/acme/robots/described";
const requests = {
  exchange: async () => site.exchange(robot, await site.sign()),
  "registry token": () => site.registryToken(robot, robotToken),
  read: () => site.api("GET", described),
  write: () => {
    written += 1;
    return site.api("PATCH", described, { description: String(written) });
  },
};
const kinds = Object.keys(requests);

interface Way {
  readonly title: string;
  readonly milliseconds?: number;
  readonly end: () => unknown;
  readonly back: () => unknown;
}

const ways: Way[] = [
  { title: "a shutdown (SIGINT)", end: () => postgres.stop(), back: () => postgres.start() },
  { title: "an immediate one (SIGQUIT)", end: () => postgres.crash("SIGQUIT"), back: () => postgres.start() },
  { title: "a crash (SIGKILL)", end: () => postgres.crash("SIGKILL"), back: () => postgres.start() },
  {
    title: "a stand-still (SIGSTOP)",
    milliseconds: STAND_STILL_MILLISECONDS,
    end: () => postgres.freeze(),
    back: () => postgres.thaw(),
  },
];

describe.each(ways)("PostgreSQL after $title, under load", ({ milliseconds = OUTAGE_MILLISECONDS, end, back }) => {
  it("is told of with 503 and Retry-After, and what follows its return is served", async (context) => {
    const load = startLoad(requests);
    await untilAnswered(load, Date.now());
    await end();
    const endedAt = Date.now();
    await sleep(milliseconds);
    const returning = Date.now();
    await back();
    const backAt = Date.now();
    const recoveredAt = await untilAnswered(load, backAt);
    await sleep(1000);
    const outcomes = await load.stop();

    expect(outcomes.filter((outcome) => !isServed(outcome) && !isToldOf(outcome)).map(describeOutcome)).toEqual([]);
    const during = outcomes.filter(({ sentAt }) => sentAt > endedAt && sentAt < returning);
    const late = outcomes.filter(({ sentAt }) => sentAt > recoveredAt);
    expect(late.filter((outcome) => !isServed(outcome)).map(describeOutcome)).toEqual([]);
    expect(slowest(outcomes)).toBeLessThan(ANSWER_MILLISECONDS);
    expect(recoveredAt - backAt).toBeLessThan(RECOVERY_MILLISECONDS);
    tellAll(context, outcomes, during, recoveredAt - backAt);
  });
});

it("whoever waited already when it stood still waits once more, and no longer", async (context) => {
  const holder = postgresDriver(site.environment.DATABASE_URL ?? "", { max: 1 });
  // What is read counts the uses before it first, which are to be held up.
  const held = await holder.reserve();
  await held`begin`;
  await held`lock table repository_uses in access exclusive mode`;
  expectStatus(200, await site.registryToken(robot, robotToken));
  const askedAt = Date.now();
  const answering = Promise.all([requests.read(), requests.read()]);
  const waiting = () => held`select 1 from pg_locks where not granted and relation = 'repository_uses'::regclass`;
  while ((await waiting()).length === 0) await sleep(5);
  postgres.freeze();
  const answers = await answering;
  postgres.thaw();
  const milliseconds = Date.now() - askedAt;
  held.release();
  await holder.end();

  expect(answers.map(({ status }) => status)).toEqual([503, 503]);
  expect(milliseconds).toBeLessThan(ANSWER_MILLISECONDS);
  tell(
    context,
    "a stand-still (SIGSTOP), for who waits already: the answer",
    duration(milliseconds),
    `< ${duration(ANSWER_MILLISECONDS)}`,
  );
});

it("the process is the one that was started, and stops when it is told to", async () => {
  expect(await berth.end("SIGTERM")).toBe(0);
});

/** When every kind of request that was sent since has been served. */
async function untilAnswered({ outcomes }: Load, since: number): Promise<number> {
  const first = (kind: string) => outcomes.find((one) => one.kind === kind && one.sentAt >= since && isServed(one));
  while (!kinds.every(first)) {
    if (Date.now() > since + PATIENCE_MILLISECONDS || !isAlive(berth.pid)) {
      throw new Error(`not served: ${JSON.stringify(tally(outcomes))} ${berth.stderr()}`);
    }
    await sleep(5);
  }
  return Math.max(...kinds.map((kind) => (first(kind)?.sentAt ?? 0) + (first(kind)?.milliseconds ?? 0)));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function isServed({ answer }: Outcome): boolean {
  return answer?.status === 200;
}

function isToldOf({ answer }: Outcome): boolean {
  return answer?.status === 503 && Number(answer.headers.get("retry-after")) > 0;
}

function describeOutcome({ kind, milliseconds, answer, error }: Outcome) {
  return { kind, milliseconds, status: answer?.status, body: answer?.body, error };
}

function tellAll(context: TestContext, all: readonly Outcome[], during: readonly Outcome[], recovery: number): void {
  const way = context.task.suite?.name.match(/after (.*),/)?.[1] ?? "";
  const refused = during.filter(isToldOf);
  tell(context, `${way}: requests, of which 503 with \`Retry-After\``, `${all.length}, ${all.filter(isToldOf).length}`);
  tell(context, `${way}: slowest answer`, duration(slowest(all)), `< ${duration(ANSWER_MILLISECONDS)}`);
  tell(context, `${way}: slowest 503 in the outage`, duration(slowest(refused)));
  tell(context, `${way}: all served again after`, duration(recovery), `< ${duration(RECOVERY_MILLISECONDS)}`);
}
