import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import type { BerthProcess } from "../support/berth-process.ts";
import { type ChaosSite, expectStatus, prepareSite, robot } from "../support/chaos-site.ts";
import { duration, tell } from "../support/figures.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { percentile, slowest, startLoad, tally } from "../support/load.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const HANGING_MILLISECONDS = 8000;
/** For keys and an answer, on a busy machine. */
const REFUSAL_MILLISECONDS = limits.issuerFetch.milliseconds + 3000;
const RECOVERY_MILLISECONDS = (limits.issuerKeys.maxBackoffSeconds + 1) * 1000;
const DISCOVERY = "/.well-known/openid-configuration";

let postgres: TestPostgres;
let site: ChaosSite;
let berth: BerthProcess;

beforeAll(async () => {
  postgres = await startPostgres();
  site = await prepareSite({ postgres });
  berth = await site.start();
  await site.createRobots(["ci"]);
});

afterAll(async () => {
  await berth.end("SIGKILL");
  await site.remove();
  await postgres.remove();
});

const ways = [
  { title: "takes the question and says nothing", path: DISCOVERY, hang: () => {} },
  {
    title: "gives its keys at a byte a second",
    path: "/jwks",
    hang: (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(200, { "content-type": "application/json" });
      const trickle = setInterval(() => response.write(" "), 1000);
      response.once("close", () => clearInterval(trickle));
    },
  },
];

describe.each(ways)("an issuer that $title", ({ title, path, hang }) => {
  let hanging: TestIssuer;
  const name = () => `stuck${ways.findIndex((way) => way.title === title)}`;

  beforeAll(async () => {
    hanging = await startIssuer();
    hanging.answer(path, hang);
    const at = `/organization/acme/robots/${name()}`;
    expectStatus(201, await site.api("PUT", at, {}));
    expectStatus(200, await site.api("POST", `${at}/federation`, [{ issuer: hanging.url, subject }]));
  });
  afterAll(() => hanging.close());

  it("keeps its own jobs waiting for seconds at most, and nobody else's", async (context) => {
    const own = startLoad(
      { exchange: async () => site.exchange(`acme+${name()}`, await hanging.sign(site.url)) },
      { clients: 30, pauseMilliseconds: 100 },
    );
    const others = startLoad({ exchange: async () => site.exchange(robot, await site.sign()) });
    await sleep(HANGING_MILLISECONDS);
    const served = await others.stop();
    hanging.answer(path, undefined);
    const backAt = Date.now();
    const isServed = () => own.outcomes.some(({ answer }) => answer?.status === 200);
    while (!isServed() && Date.now() < backAt + RECOVERY_MILLISECONDS) await sleep(20);
    const recovery = Date.now() - backAt;
    const outcomes = await own.stop();

    expect(tally(served.filter(({ answer }) => answer?.status !== 200))).toEqual({});
    const refused = outcomes.filter(({ answer }) => answer?.status !== 200);
    for (const { answer } of refused) {
      expect([answer?.status, answer?.body.code]).toEqual([503, "issuer_unreachable"]);
      expect(Number(answer?.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    expect(slowest(outcomes)).toBeLessThan(REFUSAL_MILLISECONDS);
    expect(isServed()).toBe(true);
    tell(context, `${title}: its jobs told so with 503, slowest`, `${refused.length}, ${duration(slowest(refused))}`);
    const times = `${duration(percentile(served, 0.99))}, ${duration(slowest(served))}`;
    tell(context, `${title}: exchanges with another issuer meanwhile, failed`, `${served.length}, 0`, "0 failed");
    tell(context, `${title}: these, p99 and slowest`, times);
    tell(context, `${title}: served again after`, duration(recovery), `< ${duration(RECOVERY_MILLISECONDS)}`);
  });
});
