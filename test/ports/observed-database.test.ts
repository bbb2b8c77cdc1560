import { sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { createNodeMetrics, type NodeMetrics } from "../../src/ports/node/metrics.ts";
import { observeDatabase } from "../../src/ports/node/observed-database.ts";
import { createLogTracing } from "../../src/ports/node/tracing.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
let database: Database;
let metrics: NodeMetrics;

beforeAll(async () => {
  postgres = await startPostgres();
  database = await openPostgres(new Secret(await postgres.createDatabase("berth")));
  metrics = createNodeMetrics();
  metrics.watch("poolSize", () => database.connections);
  observeDatabase(database.db, metrics, createLogTracing());
});

afterAll(async () => {
  await database.close();
  await postgres.remove();
});

async function read(name: string): Promise<number | undefined> {
  const figures = await metrics.snapshot();
  return figures.find((one) => one.name === name)?.values.at(-1)?.value;
}

it("tells how many connections are in use, and how many wait for one", async () => {
  const { db, connections } = database;
  const more = 3;
  const release = Promise.withResolvers<void>();
  const busy = Array.from({ length: connections + more }, () =>
    db.transaction(async (tx) => {
      await tx.execute(sql`select 1`);
      await release.promise;
    }),
  );
  expect(await read("berth_database_pool_used_connections")).toBe(connections);
  expect(await read("berth_database_pool_waiting_operations")).toBe(more);
  release.resolve();
  await Promise.all(busy);
  expect(await read("berth_database_pool_used_connections")).toBe(0);
  expect(await read("berth_database_pool_waiting_operations")).toBe(0);
});

it("times a transaction as one, however many statements it has, and lets one that fails fail", async () => {
  const { db } = database;
  const timed = async (operation: string) => {
    const { text } = await metrics.page("prometheus");
    const count = new RegExp(
      `^berth_database_operation_duration_seconds_count\\{operation="${operation}"\\} (\\d+)$`,
      "m",
    );
    return Number(count.exec(text)?.[1] ?? 0);
  };
  const [statements, transactions] = [await timed("statement"), await timed("transaction")];
  await db.transaction(async (tx) => {
    await tx.execute(sql`select 1`);
    await tx.execute(sql`select 2`);
  });
  await expect(db.execute(sql`select 1 / 0`)).rejects.toThrow();
  await expect(db.transaction(() => Promise.reject(new Error("undone")))).rejects.toThrow("undone");
  expect(await timed("statement")).toBe(statements + 1);
  expect(await timed("transaction")).toBe(transactions + 2);
  expect(await read("berth_database_pool_used_connections")).toBe(0);
});
