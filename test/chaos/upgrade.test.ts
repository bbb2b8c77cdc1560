import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import { basic, call } from "../support/berth.ts";
import type { BerthProcess } from "../support/berth-process.ts";
import { type ChaosSite, expectStatus, prepareSite, robot } from "../support/chaos-site.ts";
import { duration, tell } from "../support/figures.ts";
import { freePort } from "../support/free-port.ts";
import { percentile, slowest, startLoad, tally } from "../support/load.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { checkOutPreviousVersion, findPreviousVersion, type PreviousVersion } from "../support/previous-version.ts";
import { describeWith } from "../support/requirements.ts";

let database: TestPostgres;
let site: ChaosSite;
const running: BerthProcess[] = [];

beforeAll(async () => {
  database = await startPostgres();
  site = await prepareSite({ postgres: database });
});

afterAll(async () => {
  await Promise.all(running.map(({ end }) => end("SIGKILL")));
  await site.remove();
  await database.remove();
});

async function startTwo(on: ChaosSite): Promise<string[]> {
  const ports = [await freePort(), await freePort()];
  running.push(...(await Promise.all(ports.map((port) => on.start({ PORT: String(port) })))));
  return ports.map((port) => `http://127.0.0.1:${port}`);
}

async function expectCurrent(on: ChaosSite): Promise<void> {
  const { entries } = JSON.parse(await readFile(new URL("../../drizzle/meta/_journal.json", import.meta.url), "utf8"));
  const sql = postgres(String(on.environment.DATABASE_URL), { max: 1 });
  const [row] = await sql`select count(*)::int from drizzle.__drizzle_migrations`;
  await sql.end();
  expect(row?.count).toBe(entries.length);
}

const statusOf = async (url: string) => (await call(url)).status;

it("two instances that start at once on an empty database make its schema once", async () => {
  for (const url of await startTwo(site)) expect(await statusOf(`${url}/readyz`)).toBe(200);
  await expectCurrent(site);
});

describeWith(["history"], "the version before", () => {
  let previous: PreviousVersion;
  let before: ChaosSite;

  beforeAll(async () => {
    previous = await checkOutPreviousVersion(String(findPreviousVersion()));
    before = await prepareSite({ postgres: database });
  });
  afterAll(async () => {
    await before.remove();
    await previous.remove();
  });

  it("serves on while two instances of this one change its database, and beside them afterwards", async (context) => {
    const old = await before.start({}, previous.source);
    running.push(old);
    await before.createRobots(["ci", "described"]);
    const exchanged = async () => expectStatus(200, await before.exchange(robot, await before.sign())).body.token;
    const robotToken = await exchanged();
    let written = 0;
    const load = startLoad({
      exchange: async () => before.exchange(robot, await before.sign()),
      "registry token": () => before.registryToken(robot, robotToken),
      write: () => {
        written += 1;
        const path = "/organization/acme/robots/described";
        return before.api("PATCH", path, { description: String(written) });
      },
    });
    await sleep(500);
    const urls = await startTwo(before);
    await sleep(1000);
    for (const url of urls) {
      expect(await statusOf(`${url}/readyz`)).toBe(200);
      for (const token of [robotToken, await exchanged()]) expect(await login(url, token)).toBe(200);
    }
    const tokenOfNew = await exchangedAt(String(urls[0]));
    expect((await before.registryToken(robot, tokenOfNew)).status).toBe(200);
    const outcomes = await load.stop();

    expect(tally(outcomes.filter(({ answer }) => answer?.status !== 200))).toEqual({});
    await expectCurrent(before);
    expect(await old.end("SIGTERM")).toBe(0);
    const again = await before.start({}, previous.source);
    running.push(again);
    expect(await login(before.url, tokenOfNew)).toBe(200);

    tell(context, "requests to the version before during the upgrade, failed", `${outcomes.length}, 0`, "0 failed");
    const times = `${duration(percentile(outcomes, 0.99))}, ${duration(slowest(outcomes))}`;
    tell(context, "these, p99 and slowest", times);
  });

  async function exchangedAt(url: string): Promise<string> {
    const headers = { authorization: basic(robot, await before.sign()) };
    return expectStatus(200, await call(`${url}/oauth2/federation/robot/token`, { headers })).body.token;
  }

  async function login(url: string, token: string): Promise<number> {
    const headers = { authorization: basic(robot, token) };
    return (await call(`${url}/v2/auth?scope=repository:acme/app:pull`, { headers })).status;
  }
});
