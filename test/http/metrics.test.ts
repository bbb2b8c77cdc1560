import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres } from "../support/postgres.ts";

const OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8";

let issuer: TestIssuer;
let berth: TestBerth;

beforeAll(async () => {
  issuer = await startIssuer();
  berth = await startBerth({ environment: { BERTH_RATE_LIMITS: "on", BERTH_RATE_LIMIT_EXCHANGES_PER_ROBOT: "1" } });
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

function read(token: string | undefined, headers: Readonly<Record<string, string>> = {}, from = berth) {
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return call(`${from.url}/metrics`, { headers: { ...authorization, ...headers } });
}

/** The samples of a metric, by their labels as they are written. */
async function samples(name: string): Promise<Record<string, number>> {
  const { body } = await read(berth.adminToken);
  const lines = (body as string).matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, "gm"));
  return Object.fromEntries([...lines].map(([, labels = "", value]) => [labels, Number(value)]));
}

describe("/metrics", () => {
  it("is for whoever may see everything, if only that", async () => {
    await berth.api("POST", "/organization/", { name: "watchers" });
    const principal = async (name: string, more: object) => {
      expect((await berth.api("POST", "/principals", { name, kind: "service", ...more })).status).toBe(201);
      return (await berth.api("POST", `/principals/${name}/tokens`, { name: "prometheus" })).body.token as string;
    };
    const prometheus = await principal("prometheus", { super_user: "read_only" });
    const admin = await principal("admin-of-one", { roles: { watchers: "admin" } });

    expect((await read(berth.adminToken)).status).toBe(200);
    expect((await read(prometheus)).status).toBe(200);
    const [none, unknown, other] = [await read(undefined), await read("an-unknown-token"), await read(admin)];
    expect([none.status, unknown.status, other.status]).toEqual([401, 401, 403]);
    expect(none.headers.get("www-authenticate")).toContain("Bearer");
    for (const { body } of [none, unknown, other]) {
      expect(body).toMatchObject({ status: expect.any(Number), error_message: body.detail, code: body.error_type });
    }
    expect(other.body.detail).toContain("read-only superuser");
  });

  it("is there while the database is away, for whoever saw it lately, and for nobody else", async () => {
    const postgres = await startPostgres();
    const watched = await startBerth({
      environment: {
        DATABASE_URL: await postgres.createDatabase("watched"),
        BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
      },
    });
    try {
      expect((await watched.api("POST", "/principals", { name: "late", super_user: "read_only" })).status).toBe(201);
      const late = (await watched.api("POST", "/principals/late/tokens", { name: "late" })).body.token;
      expect((await read(watched.adminToken, {}, watched)).status).toBe(200);
      expect((await read("an-unknown-token", {}, watched)).status).toBe(401);
      const ended = (await watched.api("POST", "/principals/late/tokens", { name: "ended" })).body;
      expect((await read(ended.token, {}, watched)).status).toBe(200);
      expect((await watched.api("DELETE", `/principals/late/tokens/${ended.id}`)).status).toBe(204);
      expect((await read(ended.token, {}, watched)).status).toBe(401);
      await postgres.stop();
      expect((await read(ended.token, {}, watched)).status).toBe(503);
      expect((await read(watched.adminToken, {}, watched)).status).toBe(200);
      expect((await read(late, {}, watched)).status).toBe(503);
      expect((await read("an-unknown-token", {}, watched)).status).toBe(503);
      await postgres.start();
      await expect.poll(async () => (await read(late, {}, watched)).status).toBe(200);
    } finally {
      await watched.remove();
      await postgres.remove();
    }
  });

  it("is for everybody where the operator says so", async () => {
    const open = await startBerth({ environment: { BERTH_METRICS_PUBLIC: "true" } });
    try {
      expect((await read(undefined, {}, open)).status).toBe(200);
      expect(open.log.join("\n")).not.toContain("no effect");
    } finally {
      await open.remove();
    }
  });

  it("is text for Prometheus, or OpenMetrics for whoever asks for that first, by turns", async () => {
    for (const [accept, expected] of [
      ["*/*", PROMETHEUS],
      ["application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS],
      ["text/plain", PROMETHEUS],
    ] as const) {
      const { headers, body } = await read(berth.adminToken, { accept });
      expect(headers.get("content-type")).toBe(expected);
      expect(body.endsWith("# EOF\n")).toBe(expected === OPENMETRICS);
      const counter = expected === OPENMETRICS ? "berth_maintenance_runs" : "berth_maintenance_runs_total";
      expect(body).toContain(`# TYPE ${counter} counter\n`);
      expect(body).not.toContain("_total_total");
    }
  });

  it("refuses other methods", async () => {
    const { status, headers } = await call(`${berth.url}/metrics`, { method: "DELETE" });
    expect([status, headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });
});

describe("the figures", () => {
  it("count exchanges by the reason that the caller is not told, and whose limit it was", async () => {
    await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
    const good = await issuer.sign(berth.url);
    expect((await berth.exchange("acme+ci", good)).status).toBe(200);
    expect((await berth.exchange("acme+ci", good)).status).toBe(429);
    expect((await berth.exchange("acme+nobody", good)).status).toBe(400);
    expect((await berth.exchange("acme+ci", "no-token")).status).toBe(400);
    expect((await call(`${berth.url}/oauth2/federation/robot/token`)).status).toBe(401);
    expect((await call(`${berth.url}/oauth2/token`, { method: "POST" })).status).toBe(400);
    expect(await samples("berth_exchanges_total")).toEqual({
      'outcome="granted",reason="granted"': 1,
      'outcome="refused",reason="rate_limited"': 1,
      'outcome="refused",reason="robot_unknown"': 1,
      'outcome="refused",reason="token_malformed"': 1,
      'outcome="refused",reason="credential_missing"': 1,
      'outcome="refused",reason="request_invalid"': 1,
    });
    expect(await samples("berth_rate_limited_total")).toEqual({ 'by="robot"': 1 });
    expect(await samples("berth_issuer_key_fetch_duration_seconds_count")).toEqual({ 'outcome="success"': 1 });
  });

  it("count registry tokens by registry, and name none that is not there", async () => {
    const ask = (query: string, headers = {}) => call(`${berth.url}/v2/auth?${query}`, { headers });
    expect((await ask("scope=repository:acme/app:pull")).status).toBe(200);
    expect((await ask("service=made-up-by-somebody")).status).toBe(400);
    expect((await ask("", { authorization: basic("acme+ci", "wrong") })).status).toBe(401);
    expect((await ask("scope=nonsense")).status).toBe(400);
    expect(await samples("berth_registry_tokens_total")).toEqual({
      [`outcome="granted",reason="granted",service="${berth.host}"`]: 1,
      'outcome="refused",reason="service_unknown",service=""': 1,
      [`outcome="refused",reason="credential_invalid",service="${berth.host}"`]: 1,
      [`outcome="refused",reason="scope_invalid",service="${berth.host}"`]: 1,
    });
  });

  it("time requests by their route, whatever stands in the URL", async () => {
    for (const name of ["one", "two", "three"]) {
      await berth.api("GET", `/organization/${name}`);
      await call(`${berth.url}/nothing/${name}`);
    }
    const routes = Object.keys(await samples("berth_http_request_duration_seconds_count")).join("\n");
    expect(routes).toContain('method="GET",route="/api/v1/organization/:org",status="4xx"');
    expect(routes).not.toMatch(/one|two|three/);
  });

  it("tell which caches are hit while they may be believed", async () => {
    const ask = () => call(`${berth.url}/v2/auth?service=${berth.host}&scope=repository:acme/app:pull`);
    for (const { status } of [await ask(), await ask()]) expect(status).toBe(200);
    const lookups = await samples("berth_cache_lookups_total");
    expect(lookups['cache="registries",result="hit"']).toBeGreaterThan(0);
    expect(lookups['cache="open",result="miss"']).toBeGreaterThan(0);
    expect(lookups['cache="issuer_keys",result="hit"']).toBeGreaterThan(0);
  });

  it("tell what the process and its database do", async () => {
    expect(await samples("berth_database_pool_connections")).toEqual({ "": 1 });
    expect(Object.keys(await samples("berth_database_operation_duration_seconds_count"))).toEqual(
      expect.arrayContaining(['operation="statement"', 'operation="transaction"']),
    );
    expect(await samples("berth_http_requests_under_way")).toEqual({ "": 1 });
    expect(Object.keys(await samples("nodejs_eventloop_lag_p99_seconds"))).toEqual([""]);
    await expect.poll(() => samples("berth_maintenance_runs_total")).toHaveProperty('task="uses",outcome="success"');
  });
});
