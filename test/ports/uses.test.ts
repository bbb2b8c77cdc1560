import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { basic, startBerth, type TestBerth } from "../support/berth.ts";
import { type BerthProcess, spawnBerth } from "../support/berth-process.ts";
import { makeDataDir } from "../support/embedded-database.ts";
import { freePort } from "../support/free-port.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const adminToken = "an-admin-token-of-the-uses-test";
const robot = "/organization/acme/robots/ci";

/** A service at a port, and what is asked of it. */
function clientOf(port: number) {
  const api = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    expect(response.status, path).toBeLessThan(300);
    return response.json();
  };
  return {
    /** Makes a robot. @returns its static token */
    async create(): Promise<string> {
      await api("POST", "/organization/", { name: "acme" });
      await api("PUT", robot, {});
      await api("PUT", `${robot}/grants`, [{ repository: "acme/*", actions: ["pull"] }]);
      return (await api("POST", `${robot}/regenerate`, {})).token;
    },
    async use(token: string): Promise<void> {
      const { status } = await fetch(`http://127.0.0.1:${port}/v2/auth?scope=repository:acme/app:pull`, {
        headers: { authorization: basic("acme+ci", token) },
      });
      expect(status).toBe(200);
    },
    count: async (): Promise<number> =>
      (await api("GET", `${robot}/usage`)).usage.reduce((sum: number, use: { count: number }) => sum + use.count, 0),
    lastAccessed: async (): Promise<string | null> => (await api("GET", robot)).last_accessed,
  };
}

describe("a process", () => {
  let dataDir: string;
  let port: number;
  let berth: BerthProcess | undefined;
  const start = async () => {
    berth = await spawnBerth({ PORT: String(port), DATA_DIR: dataDir, BERTH_ADMIN_TOKEN: adminToken });
    return berth;
  };

  beforeAll(async () => {
    dataDir = await makeDataDir();
    port = await freePort();
  });
  afterAll(async () => {
    await berth?.end("SIGKILL");
    await rm(dataDir, { recursive: true, force: true });
  });

  it("that is killed a while after the last token has lost no use, and one that ends as told none at all", async () => {
    const { create, use, count, lastAccessed } = clientOf(port);
    let running = await start();
    const token = await create();
    for (let times = 0; times < 30; times += 1) await use(token);
    await new Promise((resolve) => setTimeout(resolve, limits.uses.writeMilliseconds + 1000));
    expect(await running.end("SIGKILL")).toBe("SIGKILL");

    running = await start();
    expect([await count(), await lastAccessed()]).toEqual([30, expect.any(String)]);
    for (let times = 0; times < 10; times += 1) await use(token);
    expect(await running.end("SIGTERM")).toBe(0);

    await start();
    expect(await count()).toBe(40);
  });
});

describe("on PostgreSQL", () => {
  let server: TestPostgres;
  let sql: postgres.Sql;
  let berth: TestBerth;

  beforeAll(async () => {
    server = await startPostgres();
    const url = await server.createDatabase("uses");
    sql = postgres(url, { onnotice: () => {} });
    berth = await startBerth({
      environment: {
        DATABASE_URL: url,
        BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
        BERTH_ADMIN_TOKEN: adminToken,
      },
    });
  });
  afterAll(async () => {
    await berth.remove();
    await sql.end();
    await server.remove();
  });

  it("a use is not a write, and waits for nobody who holds its robot", async () => {
    const { create, use, count, lastAccessed } = clientOf(Number(new URL(berth.url).port));
    const token = await create();
    const written = async () => {
      const rows = await sql`select coalesce(sum(n_tup_ins + n_tup_upd), 0)::int as writes from pg_stat_user_tables
        where relname in ('robots', 'repository_uses', 'static_tokens', 'audit_records')`;
      return rows[0]?.writes as number;
    };
    await new Promise((resolve) => setTimeout(resolve, limits.uses.writeMilliseconds + 1000));
    const before = await written();
    for (let times = 0; times < 300; times += 30) await Promise.all(Array.from({ length: 30 }, () => use(token)));
    await expect.poll(count, { timeout: 20_000 }).toBe(300);
    await new Promise((resolve) => setTimeout(resolve, limits.uses.writeMilliseconds + 1000));
    expect(await written()).toBeGreaterThan(before);
    expect((await written()) - before).toBeLessThan(100);

    const seen = await lastAccessed();
    await sql.begin(async (tx) => {
      await tx`select * from robots for update`;
      await use(token);
      await expect.poll(count, { timeout: 20_000 }).toBe(301);
      expect(await lastAccessed()).toBe(seen);
    });
    await expect.poll(lastAccessed, { timeout: 20_000 }).not.toBe(seen);
  });
});
