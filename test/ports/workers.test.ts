import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call } from "../support/berth.ts";
import { type BerthProcess, spawnBerth } from "../support/berth-process.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import type { TestWorker } from "../support/worker.ts";
import { exchangeAt, prepareDatabase, startWorkerSite, type WorkerSite } from "../support/worker-site.ts";

describe("in Cloudflare's runtime, beside an instance on Node", () => {
  let site: WorkerSite;
  let worker: TestWorker;
  let issuer: TestIssuer;
  let nodeUrl: string;
  let node: BerthProcess | undefined;

  beforeAll(async () => {
    // More than the binding lets through.
    site = await startWorkerSite({ BERTH_RATE_LIMIT_REFUSALS_PER_ADDRESS: "1000" });
    ({ worker, issuer, publicUrl: nodeUrl } = site);
  });

  afterAll(async () => {
    await node?.end("SIGTERM");
    await site.close();
  });

  it("answers 503 until the database was prepared from Node, and says so in its log", async () => {
    expect((await call(`${worker.url}/healthz`)).status).toBe(200);
    await expectUnprepared("42P01");

    const withoutToken = await prepareDatabase(site, {});
    expect(withoutToken.code).toBe(1);
    expect(withoutToken.stderr).toContain("BERTH_ADMIN_TOKEN");
    await expectUnprepared("there is no");

    expect(await prepareDatabase(site, { BERTH_ADMIN_TOKEN: site.adminToken })).toEqual({
      code: 0,
      stderr: expect.stringContaining("is prepared"),
    });
    expect((await call(`${worker.url}/readyz`)).body).toEqual({ status: "ready" });
    node = await spawnBerth({ ...site.environment, BERTH_ALLOW_INSECURE_ISSUERS: "true" });
  });

  it("challenges for the default registry", async () => {
    const answer = await call(`${worker.url}/v2/`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe(
      `Bearer realm="${nodeUrl}/v2/auth",service="${new URL(nodeUrl).host}"`,
    );
    expect(answer.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
  });

  it("manages robots", async () => {
    expect((await site.manage("POST", "/organization/", { name: "acme" })).status).toBe(201);
    expect((await site.manage("PUT", "/organization/acme/robots/ci", {})).status).toBe(201);
    const federation = [{ issuer: issuer.url, subject }];
    expect((await site.manage("POST", "/organization/acme/robots/ci/federation", federation)).status).toBe(200);
    const grants = [{ repository: "acme/app", actions: ["pull", "push"] }];
    const granted = await site.manage("PUT", "/organization/acme/robots/ci/grants", grants);
    expect(granted.status, JSON.stringify(granted.body)).toBe(200);
  });

  it("trades a CI job's token for a robot token, which is good on both, as is the registry token it buys", async () => {
    const { status, body } = await exchangeAt(worker.url, await issuer.sign(nodeUrl));
    expect(status, JSON.stringify(body)).toBe(200);
    for (const [here, there] of [
      [worker.url, nodeUrl],
      [nodeUrl, worker.url],
    ] as const) {
      const bought = await buy(here, body.token);
      expect(bought.status, JSON.stringify(bought.body)).toBe(200);
      expect(readPayload(bought.body.token).access).toEqual([
        { type: "repository", name: "acme/app", actions: ["pull", "push"] },
      ]);
      const opened = await call(`${there}/v2/`, { headers: { authorization: `Bearer ${bought.body.token}` } });
      expect(opened).toMatchObject({ status: 200, body: {} });
    }
    const fromNode = await exchangeAt(nodeUrl, await issuer.sign(nodeUrl));
    expect((await buy(worker.url, fromNode.body.token)).status).toBe(200);
  });

  it("refuses as it does on Node, and leaves the same record", async () => {
    const token = await issuer.sign(nodeUrl, { sub: "repo:acme/other:ref:refs/heads/main" });
    const [here, there] = [await exchangeAt(worker.url, token), await exchangeAt(nodeUrl, token)];
    expect(here.status).toBe(400);
    expect({ ...here.body, request_id: "" }).toEqual({ ...there.body, request_id: "" });

    const { body } = await site.manage("GET", `/organization/acme/logs?request_id=${here.body.request_id}`);
    expect(JSON.stringify(body)).toContain(here.body.code);
  });

  it.each([
    ["/oauth2/token", "a length", 413],
    ["/oauth2/token", "chunks", 413],
    ["/api/v1/organization/", "a length", 401],
    ["/api/v1/organization/", "chunks", 401],
  ])("answers a body to %s, of %s, that it does not take", async (path, kind, expected) => {
    const body = Buffer.alloc(4 * 1024 * 1024, "x");
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const statuses: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const sent = kind === "chunks" ? { body: new Blob([body]).stream(), duplex: "half" } : { body };
      statuses.push((await call(`${worker.url}${path}`, { method: "POST", headers, ...sent } as RequestInit)).status);
    }
    expect(statuses).toEqual(Array(10).fill(expected));
  });

  it("ends a robot token with its binding, whichever instance it came from and is shown to", async () => {
    const { body } = await exchangeAt(worker.url, await issuer.sign(nodeUrl));
    expect((await buy(nodeUrl, body.token)).status).toBe(200);
    const other = [{ issuer: issuer.url, subject: "repo:acme/other" }];
    expect((await site.manage("POST", "/organization/acme/robots/ci/federation", other)).status).toBe(200);
    expect((await buy(worker.url, body.token)).status).toBe(401);
    expect((await buy(nodeUrl, body.token)).status).toBe(401);
    const again = [{ issuer: issuer.url, subject }];
    expect((await site.manage("POST", "/organization/acme/robots/ci/federation", again)).status).toBe(200);
  });

  it("lets no request wait for the fetch of another", async () => {
    const slow = await startIssuer();
    try {
      const federation = [{ issuer: slow.url, subject }];
      // By the other instance, so that the worker has not tried the issuer yet.
      expect((await site.manage("POST", "/organization/acme/robots/ci/federation", federation, nodeUrl)).status).toBe(
        200,
      );
      const asked = new Promise<void>((resolve) => slow.answer("/jwks", () => resolve()));
      const abandoned = new AbortController();
      const waiting = exchangeAt(worker.url, await slow.sign(nodeUrl), abandoned.signal).catch(() => "abandoned");
      await asked;
      slow.answer("/jwks", undefined);
      const answers = await Promise.all(
        Array.from({ length: 8 }, async () => exchangeAt(worker.url, await slow.sign(nodeUrl))),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      abandoned.abort();
      expect(await waiting).toBe("abandoned");
    } finally {
      await slow.close();
    }
  });

  it("renews certificates on its schedule, and forgets what has ended", async () => {
    const sql = postgres(site.databaseUrl, { max: 1 });
    try {
      await sql`update signing_keys set not_after = now() + interval '1 day' where purpose = 'registry_token'`;
      await sql`
        insert into revoked_tokens (jti, expires_at)
        values ('ended', now() - interval '1 day'), ('good', now() + interval '1 day')`;
      await worker.maintain();
      expect(await sql`select jti from revoked_tokens`).toEqual([{ jti: "good" }]);
      const leaves = await sql`
        select status, not_after > now() + interval '80 days' as renewed from signing_keys
        where purpose = 'registry_token' and status <> 'next' order by status`;
      expect(leaves).toEqual([
        { status: "active", renewed: true },
        { status: "retired", renewed: false },
      ]);
    } finally {
      await sql.end();
    }
  });

  it("streams more of the audit log than it holds at once, and goes on after somebody left in the middle", async () => {
    const sql = postgres(site.databaseUrl, { max: 1 });
    try {
      await sql`
        insert into audit_records (id, at, kind, outcome, request_id, metadata)
        select gen_random_uuid(), now(), 'streamed', 'success', 'r', jsonb_build_object('text', repeat('x', 5000))
        from generate_series(1, 2000)`;
    } finally {
      await sql.end();
    }
    const stream = async () => {
      const headers = { authorization: `Bearer ${site.adminToken}`, accept: "application/x-ndjson" };
      return fetch(`${worker.url}/api/v1/logs?kind=streamed`, { headers });
    };
    const left = (await stream()).body?.getReader();
    expect((await left?.read())?.done).toBe(false);
    await left?.cancel();
    const lines = (await (await stream()).text()).trimEnd().split("\n");
    expect(new Set(lines.map((line) => JSON.parse(line).id)).size).toBe(2000);
  });

  it("logs a line for each request, with the address that Cloudflare saw, and no credential", async () => {
    const token = await issuer.sign(nodeUrl);
    const { headers } = await exchangeAt(worker.url, token);
    const requests = worker.log().filter(({ message }) => message === "request");
    expect(requests.at(-1)).toMatchObject({
      level: "info",
      request_id: headers.get("x-request-id"),
      client_address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
    });
    const log = JSON.stringify(worker.log());
    for (const secret of [token, site.adminToken, site.secretKey]) expect(log).not.toContain(secret);
    expect(worker.log().some(({ message }) => message === "request failed")).toBe(false);
  });

  it("names its caller's trace in the log, and keeps no figures of its own", async () => {
    const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
    const { status, headers } = await call(`${worker.url}/metrics`, {
      headers: { traceparent: `00-${trace}-${span}-01` },
    });
    expect(status).toBe(404);
    const [line] = worker.log().filter(({ request_id }) => request_id === headers.get("x-request-id"));
    expect(line).toMatchObject({ trace_id: trace, span_id: span });
  });

  it("lets its isolates count refusals together", async () => {
    const knock = () => call(`${worker.url}/oauth2/federation/robot/token`);
    // The binding's minute may begin anew in between.
    for (let times = 0; times < 300; times += 30) {
      const answers = await Promise.all(Array.from({ length: 30 }, knock));
      const limited = answers.find(({ status }) => status === 429);
      if (limited) return expect(Number(limited.headers.get("retry-after"))).toBeLessThanOrEqual(10);
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    }
    throw new Error("there is no limit");
  });

  async function expectUnprepared(detail: string): Promise<void> {
    for (const path of ["/readyz", "/v2/", "/.well-known/jwks.json"]) {
      expect({ path, status: (await call(`${worker.url}${path}`)).status }).toEqual({ path, status: 503 });
    }
    const told = worker.log().filter(({ message }) => message.startsWith("the database is not prepared"));
    expect(JSON.stringify(told.at(-1))).toContain(detail);
  }
});

function buy(url: string, robotToken: string): Promise<ApiAnswer> {
  return call(`${url}/v2/auth?scope=repository:acme/app:pull,push`, {
    headers: { authorization: basic("acme+ci", robotToken) },
  });
}

function readPayload(compact: string) {
  return JSON.parse(Buffer.from(compact.split(".")[1] ?? "", "base64url").toString());
}
