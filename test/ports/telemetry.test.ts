import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Environment } from "../../src/environment.ts";
import { basic, call } from "../support/berth.ts";
import { type BerthProcess, spawnBerth } from "../support/berth-process.ts";
import { type CollectedSpan, type Collector, startCollector } from "../support/collector.ts";
import { makeDataDir } from "../support/embedded-database.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { run } from "../support/run.ts";

const adminToken = randomBytes(24).toString("base64url");
const caller = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
const traceparent = `00-${caller.traceId}-${caller.spanId}-01`;
const EXCHANGE = "/oauth2/federation/robot/token";

let issuer: TestIssuer;
const directories: string[] = [];

beforeAll(async () => {
  issuer = await startIssuer();
});

afterAll(async () => {
  await issuer.close();
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

interface Service extends BerthProcess {
  readonly url: string;
  /** A management call. */
  api(method: string, path: string, body: unknown): Promise<void>;
  /** The lines of its log so far, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: events have fields of their own
  lines(): readonly any[];
}

async function startService(environment: Environment): Promise<Service> {
  const port = await freePort();
  const dataDir = await makeDataDir(true);
  directories.push(dataDir);
  const berth = await spawnBerth({
    PORT: String(port),
    DATA_DIR: dataDir,
    BERTH_ADMIN_TOKEN: adminToken,
    BERTH_ALLOW_INSECURE_ISSUERS: "true",
    ...environment,
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    ...berth,
    url,
    async api(method, path, body) {
      const headers = { authorization: `Bearer ${adminToken}`, "content-type": "application/json" };
      const { status } = await call(`${url}/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
      expect(status).toBeLessThan(300);
    },
    lines: () =>
      berth
        .stdout()
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line)),
  };
}

/** Has a robot, and exchanges a token for it within the caller's trace. */
async function exchange(berth: Service): Promise<{ readonly status: number; readonly token: string }> {
  await berth.api("POST", "/organization/", { name: "acme" });
  await berth.api("PUT", "/organization/acme/robots/ci", {});
  await berth.api("POST", "/organization/acme/robots/ci/federation", [{ issuer: issuer.url, subject }]);
  // A new key is one that the issuer has to be asked for.
  await issuer.rotate();
  const token = await issuer.sign(berth.url);
  const headers = { authorization: basic("acme+ci", token), traceparent };
  const { status } = await call(`${berth.url}${EXCHANGE}`, { headers });
  return { status, token };
}

describe("a service with a collector", () => {
  let collector: Collector;
  let berth: Service;
  let token: string;
  let trace: readonly CollectedSpan[];
  let server: CollectedSpan;

  beforeAll(async () => {
    collector = await startCollector();
    berth = await startService({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: "x-collector-key=a%20secret, x-tenant=berth",
      OTEL_SERVICE_NAME: "berth-eu",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test,service.name=other",
    });
    const exchanged = await exchange(berth);
    expect(exchanged.status).toBe(200);
    token = exchanged.token;
    await call(`${berth.url}/healthz`, { headers: { traceparent: "00-nonsense" } });
    expect(await berth.end("SIGTERM")).toBe(0);
    trace = collector.spans.filter(({ traceId }) => traceId === caller.traceId);
    server = trace.find(({ kind }) => kind === "server") as CollectedSpan;
  });

  afterAll(async () => {
    await berth.end("SIGKILL");
    await collector.close();
  });

  it("has sent everything by its end, with the headers and as the service that it was told", () => {
    expect(collector.headers[0]).toMatchObject({ "x-collector-key": "a secret", "x-tenant": "berth" });
    expect(collector.spans[0]?.resource).toMatchObject({
      "service.name": "berth-eu",
      "deployment.environment.name": "test",
    });
    expect(collector.spans.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["POST /api/v1/organization", `GET ${EXCHANGE}`, "GET /healthz"]),
    );
  });

  it("shows a request as a part of its caller's trace, by its route", () => {
    expect(server).toMatchObject({
      name: `GET ${EXCHANGE}`,
      parentSpanId: caller.spanId,
      failed: false,
      attributes: { "http.request.method": "GET", "http.route": EXCHANGE, "http.response.status_code": 200 },
    });
    const logged = berth.lines().find(({ route }) => route === EXCHANGE);
    expect(server.attributes["berth.request_id"]).toBe(logged.request_id);
    expect(logged).toMatchObject({ trace_id: caller.traceId, span_id: server.spanId });
  });

  it("shows what it asked of the issuer and of the database on the way", () => {
    const children = trace.filter(({ parentSpanId }) => parentSpanId === server.spanId);
    const fetches = children.filter(({ name }) => name === "issuer fetch");
    expect(fetches.length).toBeGreaterThan(0);
    for (const { kind, attributes } of fetches) {
      expect(kind).toBe("client");
      expect(attributes).toEqual({ "server.address": "127.0.0.1" });
    }
    const operations = children.filter(({ name }) => name === "statement" || name === "transaction");
    expect(operations.length).toBeGreaterThan(0);
    for (const { attributes } of operations) expect(attributes).toEqual({ "db.system.name": "postgresql" });
    expect(children.length).toBe(fetches.length + operations.length);
  });

  it("begins a trace of its own where the caller's is none", () => {
    const [healthz] = collector.spans.filter(({ name }) => name === "GET /healthz");
    expect(healthz?.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
    expect(healthz?.parentSpanId).toBe("");
  });

  it("sends no credential and no URL", () => {
    const sent = JSON.stringify(collector.spans);
    for (const secret of [token, token.split(".")[2], adminToken, "acme+ci", "?", issuer.url]) {
      expect(sent).not.toContain(secret);
    }
  });
});

describe("a collector that does not answer", () => {
  it("keeps no request and no end waiting", async () => {
    const collector = await startCollector({ hang: true });
    const berth = await startService({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    expect((await exchange(berth)).status).toBe(200);
    expect(await berth.end("SIGTERM")).toBe(0);
    await collector.close();
  });

  it("is told of in the log when it is not even there, and the request is answered all the same", async () => {
    const berth = await startService({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
    });
    expect((await exchange(berth)).status).toBe(200);
    await expect
      .poll(() => berth.lines().filter(({ message }) => message === "spans were lost").length, { timeout: 30_000 })
      .toBeGreaterThan(0);
    expect(await berth.end("SIGTERM")).toBe(0);
  });
});

describe("without a collector", () => {
  it("nothing is loaded that would send to one", async () => {
    const server = new URL("../../src/ports/node/server.ts", import.meta.url).href;
    const loaded = `await import(${JSON.stringify(server)});
      const { createRequire } = await import("node:module");
      console.log(Object.keys(createRequire(${JSON.stringify(server)}).cache).join());`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", loaded]);
    expect(stdout).toContain("prom-client");
    expect(stdout).not.toMatch(/@opentelemetry.(sdk|exporter|otlp|resources)/);
  });
});

describe("a sampler", () => {
  it("decides which requests are sent, whatever their callers do, and the log names their traces anyway", async () => {
    const collector = await startCollector();
    const berth = await startService({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
      OTEL_TRACES_SAMPLER: "always_off",
    });
    expect((await exchange(berth)).status).toBe(200);
    await berth.end("SIGTERM");
    expect(collector.spans).toEqual([]);
    expect(berth.lines().find(({ route }) => route === EXCHANGE).trace_id).toBe(caller.traceId);
    await collector.close();
  });
});
