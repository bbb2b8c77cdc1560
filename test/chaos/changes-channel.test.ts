import { setTimeout as sleep } from "node:timers/promises";
import postgres, { type Sql } from "postgres";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { basic, call } from "../support/berth.ts";
import type { BerthProcess } from "../support/berth-process.ts";
import { type ChaosSite, expectStatus, prepareSite } from "../support/chaos-site.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { duration, tell } from "../support/figures.ts";
import { freePort } from "../support/free-port.ts";
import { subject } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

/** The name of the connection that an instance hears of changes by. */
const CHANNEL = "berth changes";
const STALENESS_SECONDS = 1;
const HEARD_MILLISECONDS = 1000;
const UNHEARD_MILLISECONDS = (STALENESS_SECONDS + 1) * 1000;
const ROUNDS = 3;

let database: TestPostgres;
let sql: Sql;
let proxy: DatabaseProxy;
let site: ChaosSite;
/** Where changes are made, and where they have to be heard of. */
let here: BerthProcess;
let there: BerthProcess;
let urlThere: string;
let serial = 0;

beforeAll(async () => {
  database = await startPostgres();
  site = await prepareSite({ postgres: database, environment: { BERTH_MAX_STALENESS: String(STALENESS_SECONDS) } });
  const url = String(site.environment.DATABASE_URL);
  sql = postgres(url, { max: 1 });
  proxy = await startDatabaseProxy(url);
  const port = await freePort();
  urlThere = `http://127.0.0.1:${port}`;
  here = await site.start();
  there = await site.start({ PORT: String(port), DATABASE_URL: proxy.url });
  await site.createRobots(["untouched"]);
});

afterAll(async () => {
  await Promise.all([here.end("SIGKILL"), there.end("SIGKILL")]);
  await sql.end();
  await proxy.close();
  await site.remove();
  await database.remove();
});

const path = (name: string) => `/organization/acme/robots/${name}`;

/** What ends a robot's token. */
const ends: Readonly<Record<string, (name: string, token: string) => Promise<unknown>>> = {
  "its revocation": (_, token) =>
    call(`${site.url}/oauth2/revoke`, { method: "POST", body: new URLSearchParams({ token }) }),
  "its robot's disabling": async (name) => expectStatus(200, await site.api("PATCH", path(name), { disabled: true })),
  "its binding's deletion": async (name) => expectStatus(204, await site.api("DELETE", `${path(name)}/federation`)),
  "its robot's deletion": async (name) => expectStatus(204, await site.api("DELETE", path(name))),
};

interface Ways {
  readonly title: string;
  /** Is done right before the change. */
  readonly disturb: () => unknown;
  readonly mend: () => unknown;
  readonly bound: number;
}

const ways: Ways[] = [
  { title: "heard", disturb: () => {}, mend: () => {}, bound: HEARD_MILLISECONDS },
  { title: "cut", disturb: cutChannels, mend: () => {}, bound: UNHEARD_MILLISECONDS },
  {
    title: "silently dropped",
    disturb: () => proxy.swallow(CHANNEL),
    // Until it hears again, and remembers again what the next end has to reach.
    mend: () => {
      proxy.carry();
      return sleep(1000);
    },
    bound: UNHEARD_MILLISECONDS,
  },
];

describe.each(ways)("what ends a token at one instance, the other's channel being $title", (way) => {
  it(`holds at the other one within ${way.bound} ms, and nobody else notices`, async (context) => {
    const lags: number[] = [];
    let asked = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const end of Object.values(ends)) {
        const [name, token] = await aRobot();
        const untouched = await exchanged("untouched");
        for (let time = 0; time < 5; time += 1) expect(await ask(urlThere, name, token)).toBe(200);

        await way.disturb();
        await end(name, token);
        const endedAt = Date.now();
        expect(await ask(site.url, name, token)).toBe(401);
        let servedAt = endedAt;
        while (Date.now() < endedAt + way.bound + 200) {
          const sentAt = Date.now();
          const [status, other] = await Promise.all([
            ask(urlThere, name, token),
            ask(urlThere, "untouched", untouched),
          ]);
          asked += 1;
          expect([200, 401]).toContain(status);
          expect(other).toBe(200);
          if (status === 200) servedAt = sentAt;
          else if (way.title === "heard") break;
          await sleep(5);
        }
        lags.push(servedAt - endedAt);
        await way.mend();
      }
    }
    expect(Math.max(...lags)).toBeLessThan(way.bound);
    tellLags(context, way, lags, asked);
  });
});

it("an instance whose channel is dropped sees at once what is given, too, and hears again when it is back", async () => {
  proxy.swallow(CHANNEL);
  const [name, token] = await aRobot();
  expect(await ask(urlThere, name, token)).toBe(200);
  expectStatus(200, await site.api("PATCH", path(name), { disabled: true }));
  await sleep(UNHEARD_MILLISECONDS);
  expect(await ask(urlThere, name, token)).toBe(401);
  const [another, tokenOfAnother] = await aRobot();
  expect(await ask(urlThere, another, tokenOfAnother)).toBe(200);
  proxy.carry();
  await expect.poll(() => there.stdout(), { timeout: 20_000 }).toContain("changes in the database are heard of again");
});

async function cutChannels(): Promise<void> {
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${CHANNEL}`;
}

async function aRobot(): Promise<[name: string, token: string]> {
  serial += 1;
  const name = `robot${serial}`;
  expectStatus(201, await site.api("PUT", path(name), {}));
  const bindings = [{ issuer: site.issuer.url, subject }];
  expectStatus(200, await site.api("POST", `${path(name)}/federation`, bindings));
  return [name, await exchanged(name)];
}

async function exchanged(name: string): Promise<string> {
  return expectStatus(200, await site.exchange(`acme+${name}`, await site.sign())).body.token;
}

async function ask(url: string, name: string, token: string): Promise<number> {
  const headers = { authorization: basic(`acme+${name}`, token) };
  return (await call(`${url}/v2/auth?scope=repository:acme/app:pull`, { headers })).status;
}

function tellLags(context: TestContext, { title, bound }: Ways, lags: readonly number[], asked: number): void {
  const sorted = [...lags].sort((one, other) => one - other);
  const [median, slowest] = [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
  tell(context, `channel ${title}: tokens ended, asked about at the other instance`, `${lags.length}, ${asked} times`);
  tell(context, `channel ${title}: still served after the end, median`, duration(median));
  tell(context, `channel ${title}: still served after the end, longest`, duration(slowest), `< ${duration(bound)}`);
}
