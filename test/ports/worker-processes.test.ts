import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type BerthProcess, launchBerth } from "../support/berth-process.ts";
import { freePort } from "../support/free-port.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

describe("`berth serve --workers`", () => {
  let postgres: TestPostgres;
  let berth: BerthProcess | undefined;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterEach(async () => {
    await berth?.end("SIGTERM");
    berth = undefined;
  });
  afterAll(() => postgres.remove());

  async function serve(workers: number, database: string): Promise<string> {
    const port = await freePort();
    berth = launchBerth(
      {
        PORT: String(port),
        DATABASE_URL: await postgres.createDatabase(database),
        BERTH_ADMIN_TOKEN: "admin-token-of-this-test",
        BERTH_SECRET_KEY: Buffer.alloc(32, 1).toString("base64"),
      },
      ["serve", "--workers", String(workers)],
    );
    await expect.poll(() => listening(berth).length, { timeout: 100_000, interval: 50 }).toBe(workers);
    return `http://127.0.0.1:${port}`;
  }
  const listening = (one: BerthProcess | undefined) =>
    (one?.stdout() ?? "").split("\n").filter((line) => line.includes('"message":"listening"'));

  it("serves one port by several processes, replaces one that is killed, and ends with all of them", async () => {
    const url = await serve(3, "workers");
    const workers = await childrenOf(berth?.pid ?? 0);
    expect(workers).toHaveLength(3);
    const [victim] = workers;
    process.kill(victim as number, "SIGKILL");
    await expect.poll(() => listening(berth).length, { timeout: 100_000, interval: 50 }).toBe(4);
    expect(berth?.stderr()).toContain("another one takes its place");
    const answers = await Promise.all(Array.from({ length: 30 }, () => fetch(`${url}/readyz`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(200));

    const others = await childrenOf(berth?.pid ?? 0);
    expect(await berth?.end("SIGTERM")).toBe(0);
    for (const pid of others) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    for (const line of (berth?.stdout() ?? "").trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("message");
  });

  it("ends as well when all of its processes are told to at once, as a terminal does", async () => {
    await serve(2, "interrupted");
    const all = [berth?.pid as number, ...(await childrenOf(berth?.pid ?? 0))];
    expect(all).toHaveLength(3);
    for (const pid of all) process.kill(pid, "SIGINT");
    expect(await berth?.ended).toBe(0);
    for (const pid of all) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("ends when it is told to while one of its processes is only starting", async () => {
    berth = launchBerth(
      {
        PORT: String(await freePort()),
        DATABASE_URL: await postgres.createDatabase("starting"),
        BERTH_ADMIN_TOKEN: "admin-token-of-this-test",
        BERTH_SECRET_KEY: Buffer.alloc(32, 1).toString("base64"),
      },
      ["serve", "--workers", "2"],
    );
    await expect.poll(() => childrenOf(berth?.pid ?? 0), { timeout: 100_000, interval: 10 }).toHaveLength(2);
    const workers = await childrenOf(berth.pid);
    expect(await berth.end("SIGTERM")).toBe(0);
    for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("makes a change of one process hold in all at once", async () => {
    const url = await serve(2, "changes");
    const api = (method: string, path: string, body?: unknown) =>
      fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          authorization: "Bearer admin-token-of-this-test",
          "content-type": "application/json",
          // A connection each, so that both processes are asked.
          connection: "close",
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    expect((await api("POST", "/organization/", { name: "acme" })).status).toBe(201);
    expect((await api("PUT", "/organization/acme/robots/ci", {})).status).toBe(201);
    const { token } = (await (await api("POST", "/organization/acme/robots/ci/regenerate")).json()) as {
      token: string;
    };
    const login = () =>
      fetch(`${url}/v2/auth`, {
        headers: { authorization: `Basic ${btoa(`acme+ci:${token}`)}`, connection: "close" },
      });
    const before = await Promise.all(Array.from({ length: 20 }, login));
    expect(before.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect((await api("DELETE", "/organization/acme/robots/ci/token")).status).toBe(204);
    const statuses = async () => (await Promise.all(Array.from({ length: 20 }, login))).map(({ status }) => status);
    await expect.poll(statuses, { interval: 50 }).toEqual(Array(20).fill(401));
  });

  it("tells by any of them the figures of all", async () => {
    const url = await serve(2, "figures");
    const logins = 20;
    const login = () => fetch(`${url}/v2/auth?scope=repository:acme/app:pull`, { headers: { connection: "close" } });
    for (const { status } of await Promise.all(Array.from({ length: logins }, login))) expect(status).toBe(200);
    for (let time = 0; time < 4; time += 1) {
      const headers = { authorization: "Bearer admin-token-of-this-test", connection: "close" };
      const text = await (await fetch(`${url}/metrics`, { headers })).text();
      expect(text).toMatch(new RegExp(`^berth_registry_tokens_total\\{outcome="granted".*\\} ${logins}$`, "m"));
      expect(text).toMatch(/^berth_database_pool_connections 20$/m);
    }
  });

  it("says what is wrong and ends, once, when it cannot start", async () => {
    berth = launchBerth({ DATABASE_URL: "nonsense", PORT: "0" }, ["serve", "--workers", "2"]);
    expect(await berth.ended).toBe(1);
    expect(berth.stderr().match(/Berth cannot start/g)).toHaveLength(1);
  });

  it.each([
    ["the embedded database", {}, "2", "--workers needs PostgreSQL"],
    ["none", {}, "0", "It must be 1 to 256"],
    ["half a one", {}, "1.5", "It must be 1 to 256"],
  ])("refuses %s", async (_, environment, workers, message) => {
    berth = launchBerth(environment, ["serve", "--workers", workers]);
    expect(await berth.ended).toBe(1);
    expect(berth.stderr()).toContain(message);
  });
});

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.trim().split(" ").filter(Boolean).map(Number);
}
