import type { Sql } from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { importPostgres, type PoolOptions } from "../../src/ports/node/postgres-driver.ts";
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
