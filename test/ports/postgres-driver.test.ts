import { randomBytes } from "node:crypto";
import type { Sql } from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { importPostgres, type PoolOptions } from "../../src/ports/node/postgres-driver.ts";
import { spawnBerth } from "../support/berth-process.ts";
import { freePort } from "../support/free-port.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const answering: PoolOptions = { max: 1, answer_timeout: 1, connect_timeout: 2, backoff: () => 0.05 };
let postgres: TestPostgres;
/** Of one connection, so that whatever is lost is the one that comes back. */
let sql: Sql;
let other: Sql;

beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase("driver");
  const connect = await importPostgres();
  sql = connect(url, answering);
  other = connect(url, { max: 1 });
  await sql`create table notes (text text not null)`;
});

afterAll(async () => {
  await Promise.all([sql.end(), other.end()]);
  await postgres.remove();
});

async function cut(): Promise<void> {
  const [own] = await sql`select pg_backend_pid() as pid`;
  await terminate(Number(own?.pid));
}

const terminate = (pid: number) => other`select pg_terminate_backend(${pid}, 5000)`;
const notes = async () => (await other`select text from notes`).map(({ text }) => text);

it("has the connection that was used last used next", async () => {
  const connect = await importPostgres();
  const several = connect(await postgres.createDatabase("several"), { max: 3 });
  const process = async () => (await several`select pg_backend_pid() as pid, pg_sleep(0.05)`)[0]?.pid;
  const all = await Promise.all([process(), process(), process()]);
  expect(new Set(all).size).toBe(3);
  const last = await process();
  for (let time = 0; time < 5; time += 1) expect(await process()).toBe(last);
  expect(new Set(await Promise.all([process(), process(), process()]))).toEqual(new Set(all));
  await several.end();
});

it("is warned of where Node.js is too old for it to be mended, and not else", async () => {
  const port = await freePort();
  const environment = {
    PORT: String(port),
    DATABASE_URL: await postgres.createDatabase("warned"),
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    BERTH_ADMIN_TOKEN: "an-admin-token-that-nobody-uses",
  };
  const aged = 'import module from "node:module"; module.registerHooks = undefined;';
  const start = async (more: Record<string, string> = {}) => {
    const berth = await spawnBerth({ ...environment, ...more });
    expect(await berth.end("SIGTERM")).toBe(0);
    return berth.stdout();
  };
  expect(await start()).not.toContain("Node.js 22.15");
  const told = await start({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(aged)}` });
  expect(told).toMatch(/"level":"warn".*use Node\.js 22\.15 or newer: on this one, v\d/);
});

describe("a lost connection", () => {
  it("is opened anew for the next who asks, however often", async () => {
    for (let time = 0; time < 20; time += 1) {
      await cut();
      const answers = await Promise.allSettled([sql`select 1 as one`, sql`select 1 as one`]);
      for (const answer of answers)
        if (answer.status === "rejected") expect(answer.reason.code).toMatch(/^(CONN|ECONN|57P01)/);
      expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    }
  });

  it("ends its transaction, which writes nothing in that of another", async () => {
    const gate = Promise.withResolvers<void>();
    const lost = Promise.withResolvers<void>();
    let late: PromiseSettledResult<unknown>[] = [];
    const interrupted = sql.begin(async (tx) => {
      const [own] = await tx`select pg_backend_pid() as pid`;
      await terminate(Number(own?.pid));
      lost.resolve();
      await gate.promise;
      late = await Promise.allSettled([tx`insert into notes values ('of the lost')`]);
    });
    const refused = expect(interrupted).rejects.toThrow("CONNECTION_CLOSED");
    await lost.promise;
    await refused;
    await expect(
      sql.begin(async (tx) => {
        await tx`insert into notes values ('of another')`;
        gate.resolve();
        await expect.poll(() => late.length).toBe(1);
        throw new Error("undone");
      }),
    ).rejects.toThrow("undone");
    expect(late[0]?.status).toBe("rejected");
    expect(await notes()).toEqual([]);
  });
});

describe("a server that stands still", () => {
  it("is not waited for without end, and served by again when it goes on", async () => {
    postgres.freeze();
    const asked = sql`select 1 as one`;
    await expect(asked).rejects.toMatchObject({ code: "CONNECTION_TIMEOUT" });
    await expect(sql`select 1 as one`, "before it is closed").rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    postgres.thaw();
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });

  it("is given its time for what it only takes long over", async () => {
    expect(await sql`select pg_sleep(0.7), 1 as one`).toMatchObject([{ one: 1 }]);
  });
});
