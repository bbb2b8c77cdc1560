import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call } from "../support/berth.ts";
import { subject } from "../support/issuer.ts";
import { startWorker } from "../support/worker.ts";
import { exchangeAt, prepareDatabase, startWorkerSite, type WorkerSite } from "../support/worker-site.ts";

let site: WorkerSite;

beforeAll(async () => {
  site = await startWorkerSite();
  await prepareDatabase(site, { BERTH_ADMIN_TOKEN: site.adminToken });
  const robot = "/organization/acme/robots/ci";
  await site.manage("POST", "/organization/", { name: "acme" });
  await site.manage("PUT", robot, {});
  const bound = await site.manage("POST", `${robot}/federation`, [{ issuer: site.issuer.url, subject }]);
  expect(bound.status).toBe(200);
});

afterAll(() => site.close());

it("a Worker answers 503 while the database is down, and works again when it is back", async () => {
  await site.database.stop();
  expect((await call(`${site.worker.url}/v2/`)).status).toBe(503);
  expect((await exchangeAt(site.worker.url, await site.issuer.sign(site.publicUrl))).status).toBe(503);
  expect((await call(`${site.worker.url}/readyz`)).status).toBe(503);
  expect((await call(`${site.worker.url}/healthz`)).status).toBe(200);
  await site.database.start();
  expect((await call(`${site.worker.url}/readyz`)).status).toBe(200);
});

it("a Worker answers 503 where its connection is lost in the middle of a change, of which nothing stays", async () => {
  const [watcher, holder] = [postgres(site.databaseUrl, { max: 1 }), postgres(site.databaseUrl, { max: 1 })];
  try {
    const held = await holder.reserve();
    await held`begin`;
    await held`lock table audit_records in access exclusive mode`;
    const changing = site.manage("PATCH", "/organization/acme/robots/ci", { description: "half done" });
    const waiting = () => watcher`
      select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%audit_records%'`;
    await expect.poll(waiting).toHaveLength(1);
    for (const { pid } of await waiting()) await watcher`select pg_terminate_backend(${pid})`;
    expect((await changing).status).toBe(503);
    await held`rollback`;
    held.release();
    expect((await site.manage("GET", "/organization/acme/robots/ci")).body.description).toBe("");
  } finally {
    await Promise.all([watcher.end(), holder.end()]);
  }
});

it("a Worker that is not configured answers 503 and logs every problem", async () => {
  const bare = await startWorker({
    bundle: site.bundle,
    databaseUrl: site.databaseUrl,
    vars: { PUBLIC_URL: "http://berth.example", LOG_LEVEL: "loud" },
  });
  try {
    expect((await call(`${bare.url}/healthz`)).status).toBe(503);
    const problems = bare
      .log()
      .flatMap((line) => line.problems ?? [])
      .join("\n");
    for (const name of ["BERTH_SECRET_KEY", "PUBLIC_URL", "LOG_LEVEL"]) expect(problems).toContain(name);
  } finally {
    await bare.stop();
  }
});

it("a Worker that cannot open the keys answers 503 and says in its log what is missing", async () => {
  const other = await startWorker({
    bundle: site.bundle,
    databaseUrl: site.databaseUrl,
    vars: { PUBLIC_URL: site.publicUrl, BERTH_ALLOW_INSECURE_ISSUERS: true },
    secrets: { BERTH_SECRET_KEY: randomBytes(32).toString("base64") },
  });
  try {
    const { status, headers, body } = await exchangeAt(other.url, await site.issuer.sign(site.publicUrl));
    expect({ status, body }).toMatchObject({ status: 503, body: { error: "temporarily_unavailable" } });
    expect(headers.get("retry-after")).toBe("60");
    expect((await call(`${other.url}/readyz`)).status).toBe(503);
    const told = other.log().filter(({ request_id }) => request_id === body.request_id);
    expect(told.map(({ message }) => message).join()).toContain("BERTH_SECRET_KEY");
  } finally {
    await other.stop();
  }
});
