import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { makePrincipal, type TestPrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** Whatever one organization's admin sends, however often, the others are answered. */

const state = "/organization/acme/state";
const robots = (count: number) => ({
  robots: Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `r${index}-made`,
      { grants: [{ repository: `acme/app-${index}`, actions: ["pull"] }] },
    ]),
  ),
});

describe("on PostgreSQL", () => {
  let database: TestPostgres;
  let berth: TestBerth;
  let issuer: TestIssuer;
  let sql: postgres.Sql;
  let boss: TestPrincipal;

  beforeAll(async () => {
    database = await startPostgres();
    const url = await database.createDatabase("berth");
    const environment = { DATABASE_URL: url, BERTH_SECRET_KEY: randomBytes(32).toString("base64") };
    [berth, issuer] = await Promise.all([startBerth({ environment }), startIssuer()]);
    sql = postgres(url, { max: 2, onnotice: () => {} });
    await berth.createRobot("acme+ci");
    await berth.createRobot("beta+ci", { federation: [{ issuer: issuer.url, subject }] });
    for (const name of ["gamma", "delta"]) await berth.api("POST", "/organization/", { name });
    boss = await makePrincipal(berth, "boss", { roles: { acme: "admin" } });
  });

  afterAll(async () => {
    await sql.end();
    await berth.remove();
    await issuer.close();
    await database.remove();
  });

  /** Does something while the organization is locked by somebody else. */
  async function whileLocked(work: () => Promise<void>): Promise<void> {
    const other = await sql.reserve();
    await other`begin`;
    await other`select 1 from organizations where name in ('acme', 'gamma', 'delta') for update`;
    try {
      await work();
    } finally {
      await other`rollback`;
      other.release();
    }
  }

  async function untilWaiting(): Promise<void> {
    while ((await sql`select 1 from pg_locks where not granted`).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it.each<[string, () => Promise<ApiAnswer>]>([
    ["states", () => boss.api("PUT", `${state}?dry_run=true`, robots(3))],
    ["robots", () => boss.api("PUT", `/organization/acme/robots/r${randomBytes(4).toString("hex")}`, {})],
    ["grants", () => boss.api("PUT", "/organization/acme/robots/ci/grants", [])],
    ["settings", () => boss.api("PATCH", "/organization/acme", { email: null })],
  ])("forty %s that wait for their organization keep nobody else waiting", async (_, send) => {
    let answered = 0;
    let sent: Promise<ApiAnswer>[] = [];
    await whileLocked(async () => {
      sent = Array.from({ length: 40 }, async () => {
        const answer = await send();
        answered += 1;
        return answer;
      });
      await untilWaiting();
      const { id } = (await berth.api("POST", "/principals/boss/tokens", { name: "leaked" })).body;
      const others = await Promise.all([
        berth.api("GET", "/user"),
        call(`${berth.url}/readyz`),
        berth.exchange("beta+ci", await issuer.sign(berth.url)),
        berth.api("PUT", "/organization/beta/robots/other", {}),
        berth.api("PUT", "/organization/beta/state?dry_run=true", { settings: { email: "x@example.com" } }),
        berth.api("DELETE", `/principals/boss/tokens/${id}`),
      ]);
      expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 201, 200, 204]);
      await berth.api("DELETE", "/organization/beta/robots/other");
      expect(answered).toBe(0);
    });
    for (const { status } of await Promise.all(sent)) expect(status).toBeLessThan(300);
  });

  it("changes of three organizations that wait at once leave exchanges and what is only read to everybody", async () => {
    let sent: Promise<ApiAnswer>[] = [];
    await whileLocked(async () => {
      sent = ["acme", "gamma", "delta"].flatMap((organization) =>
        Array.from({ length: 20 }, () => berth.api("PATCH", `/organization/${organization}`, { email: null })),
      );
      await untilWaiting();
      const others = await Promise.all([
        berth.api("GET", "/user"),
        call(`${berth.url}/readyz`),
        berth.exchange("beta+ci", await issuer.sign(berth.url)),
      ]);
      expect(others.map(({ status }) => status)).toEqual([200, 200, 200]);
    });
    for (const { status } of await Promise.all(sent)) expect(status).toBe(200);
  });

  it("what waits in vain is told so, and when to try again", async () => {
    await whileLocked(async () => {
      const [first, second] = await Promise.all([boss.api("PUT", state, robots(1)), boss.api("PUT", state, robots(1))]);
      for (const answer of [first, second]) {
        expect(expectProblem(answer, 503, "unavailable")).toBe(
          "Others are changing the same thing right now. Try again shortly.",
        );
        expect(answer.headers.get("retry-after")).toBe("1");
      }
    });
    expect((await boss.api("PUT", state, robots(1))).status).toBe(200);
  });

  it("more than fifty that wait are sent away at once", async () => {
    let sent: Promise<ApiAnswer>[] = [];
    await whileLocked(async () => {
      sent = Array.from({ length: 60 }, () => boss.api("PUT", `${state}?dry_run=true`, robots(1)));
      const first = await Promise.race(sent);
      expect(expectProblem(first, 503, "unavailable")).toContain("Try again shortly");
    });
    const statuses = (await Promise.all(sent)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 503)).toHaveLength(10);
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
  });

  /** What stands for the turn of changes that concern organizations together. */
  const TURN = 0x6265727468;

  it("what only a superuser may set is refused without waiting for anybody, and with nothing done", async () => {
    const other = await sql.reserve();
    await other`select pg_advisory_lock(${TURN})`;
    await whileLocked(async () => {
      const document = { settings: { repository_prefixes: ["legacy"] }, ...robots(3) };
      for (const query of ["", "?dry_run=true"]) {
        const refused = await boss.api("PUT", `${state}${query}`, document);
        expect(expectProblem(refused, 403, "forbidden")).toContain("settings.repository_prefixes");
        expect(refused.body.errors[0].path).toEqual(["settings", "repository_prefixes"]);
      }
    });
    await other`select pg_advisory_unlock(${TURN})`;
    other.release();
  });
});

describe("on the embedded database", () => {
  let berth: TestBerth;

  beforeAll(async () => {
    berth = await startBerth();
    await berth.createRobot("acme+ci");
  });

  afterAll(() => berth.remove());

  it.each(["?dry_run=true", ""])("a probe is answered while a state is applied%s", async (query) => {
    let isDone = false;
    const put = berth.api("PUT", `${state}${query}`, { ...robots(100), unlisted: "keep" }).finally(() => {
      isDone = true;
    });
    let probes = 0;
    while (!isDone) {
      expect((await call(`${berth.url}/healthz`)).status).toBe(200);
      probes += 1;
    }
    expect((await put).status).toBe(200);
    expect(probes).toBeGreaterThan(10);
  });
});
