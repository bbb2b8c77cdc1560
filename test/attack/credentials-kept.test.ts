import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { basic, call } from "../support/berth.ts";
import { type BerthProcess, spawnBerth } from "../support/berth-process.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { sendRaw } from "../support/raw-http.ts";
import { jwtType, tokenExchange } from "../support/refusals.ts";

/** Every credential that there is, brought by every way that there is, to a process that logs all it can. */

const adminToken = randomBytes(24).toString("base64url");
const secretKey = randomBytes(32).toString("base64");
let database: TestPostgres;
let databaseUrl: string;
let issuer: TestIssuer;
let berth: BerthProcess;
let port: number;
let url: string;

beforeAll(async () => {
  [database, issuer, port] = await Promise.all([startPostgres(), startIssuer(), freePort()]);
  databaseUrl = await database.createDatabase("berth");
  url = `http://127.0.0.1:${port}`;
  berth = await spawnBerth({
    PORT: String(port),
    DATABASE_URL: databaseUrl,
    BERTH_ADMIN_TOKEN: adminToken,
    BERTH_SECRET_KEY: secretKey,
    HTTPS_PROXY: "http://proxy-user:proxy-password@127.0.0.1:9",
    BERTH_ALLOW_INSECURE_ISSUERS: "true",
    BERTH_RATE_LIMITS: "off",
    BERTH_AUDIT_REFUSALS_PER_MINUTE: "1000000",
    LOG_LEVEL: "debug",
  });
});

afterAll(async () => {
  await berth.end("SIGTERM");
  await Promise.all([database.remove(), issuer.close()]);
});

const asAdmin = { authorization: `Bearer ${adminToken}` };

async function manage(method: string, path: string, body?: unknown) {
  const answer = await call(`${url}/api/v1${path}`, {
    method,
    headers: { ...asAdmin, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** One good credential of each kind. */
async function makeCredentials(): Promise<Record<string, string>> {
  const ci = "/organization/acme/robots/ci";
  await manage("POST", "/organization/", { name: "acme" });
  await manage("PUT", ci, {});
  await manage("POST", `${ci}/federation`, [{ issuer: issuer.url, subject }]);
  await manage("PUT", `${ci}/grants`, [{ repository: "acme/*", actions: ["pull"] }]);
  await manage("PATCH", `/registries/${encodeURIComponent(new URL(url).host)}`, { refresh_tokens: true });
  await manage("POST", "/principals", { name: "team", roles: { acme: "reader" } });
  const oidc = await issuer.sign(url);
  const exchanged = await call(`${url}/oauth2/federation/robot/token`, {
    headers: { authorization: basic("acme+ci", oidc) },
  });
  const robot = exchanged.body.token;
  const login = await call(`${url}/v2/auth?scope=repository:acme/app:pull&offline_token=true`, {
    headers: { authorization: basic("acme+ci", robot) },
  });
  return {
    admin: adminToken,
    api: (await manage("POST", "/principals/team/tokens", { name: "laptop" })).token,
    fixed: (await manage("POST", `${ci}/regenerate`, {})).token,
    oidc,
    robot,
    registry: login.body.token,
    refresh: login.body.refresh_token,
  };
}

const PATHS = [
  "/v2/",
  "/v2/auth",
  "/oauth2/federation/robot/token",
  "/oauth2/token",
  "/api/v1/user",
  "/nothing",
  "/metrics",
  // It ends some of them.
  "/oauth2/revoke",
];
const HEADERS = [
  "user-agent",
  "referer",
  "cookie",
  "x-forwarded-for",
  "x-request-id",
  "forwarded",
  "via",
  "traceparent",
  "tracestate",
  "if-match",
  "idempotency-key",
  "accept",
  "accept-language",
  "proxy-authorization",
  "x-api-key",
  "content-type",
];
const FIELDS = [
  "token",
  "access_token",
  "subject_token",
  "actor_token",
  "password",
  "refresh_token",
  "username",
  "client_id",
  "client_secret",
  "service",
  "scope",
  "resource",
  "audience",
  "account",
  "grant_type",
  "subject_token_type",
];

/** Answers to a credential in its place tell nothing of it; one in another's place may be told that it is wrong there. */
async function bring(credential: string): Promise<string[]> {
  const told: string[] = [];
  const inPlace = async (path: string, init: RequestInit) => {
    const response = await fetch(url + path, init);
    told.push(JSON.stringify([...response.headers]), response.ok ? "" : await response.text());
    if (response.ok) await response.arrayBuffer();
  };
  const misplaced = async (path: string, init: RequestInit = {}) => {
    await (await fetch(url + path, init)).arrayBuffer();
  };
  const form = (fields: Record<string, string>) => ({ method: "POST", body: new URLSearchParams(fields) });

  await inPlace(
    "/oauth2/token",
    form({
      grant_type: tokenExchange,
      subject_token: credential,
      subject_token_type: jwtType,
      resource: "urn:berth:robot:acme+ci",
    }),
  );
  await inPlace("/v2/auth", form({ grant_type: "password", username: "acme+ci", password: credential }));
  await inPlace("/v2/auth", form({ grant_type: "refresh_token", refresh_token: credential }));
  await inPlace("/api/v1/organization/acme/robots/ci/federation/explain", {
    method: "POST",
    headers: { ...asAdmin, "content-type": "application/json" },
    body: JSON.stringify({ token: credential }),
  });
  for (const path of PATHS) {
    for (const authorization of [
      `Bearer ${credential}`,
      basic("acme+ci", credential),
      basic("", credential),
      `Token ${credential}`,
      credential,
    ]) {
      await inPlace(path, { headers: { authorization } });
    }
    await misplaced(path, { headers: { authorization: basic(credential, "x") } });
    await misplaced(`${path}/${encodeURIComponent(credential)}`, { headers: asAdmin });
    for (const name of HEADERS) await misplaced(path, { headers: { ...asAdmin, [name]: credential } });
    for (const name of FIELDS) {
      await misplaced(`${path}?${name}=${encodeURIComponent(credential)}`);
      await misplaced(path, form({ [name]: credential }));
    }
    await misplaced(path, {
      method: "POST",
      headers: { ...asAdmin, "content-type": "application/json" },
      body: JSON.stringify({ [credential]: credential }),
    });
    await misplaced(path, { method: "POST", headers: asAdmin, body: credential });
    await misplaced(path, form({ [credential]: "x" }));
    await sendRaw(port, `${credential} ${path} HTTP/1.1\r\nHost: ${credential}\r\n\r\n`);
  }
  return told;
}

/** What would be enough to use a credential, or tells something of it. */
const partsOf = (credential: string) => [credential, ...credential.split(".").slice(1)];

it("no credential is in the log, an answer, the audit log or the figures, whichever way it came", async () => {
  const credentials = await makeCredentials();
  const told: string[] = [];
  for (const credential of Object.values(credentials)) told.push(...(await bring(credential)));

  const audit = await (
    await fetch(`${url}/api/v1/logs`, { headers: { ...asAdmin, accept: "application/x-ndjson" } })
  ).text();
  const figures = await (await fetch(`${url}/metrics`, { headers: asAdmin })).text();
  expect(audit.split("\n").length).toBeGreaterThan(300);
  expect(figures).toContain("# TYPE");
  await berth.end("SIGTERM");
  expect(berth.stdout().split("\n").length).toBeGreaterThan(1000);

  const places = { log: berth.stdout() + berth.stderr(), answers: told.join("\n"), audit, figures };
  const secrets = Object.entries({
    ...credentials,
    secretKey,
    proxy: "proxy-password",
    database: new URL(databaseUrl).password,
  });
  for (const [place, text] of Object.entries(places)) {
    for (const [name, secret] of secrets) {
      const found = partsOf(secret)
        .map((part) => text.indexOf(part))
        .find((index) => index !== -1);
      expect(
        found === undefined || text.slice(Math.max(0, found - 200), found + 20),
        `the ${name} in the ${place}`,
      ).toBe(true);
    }
  }
  expect(places.log).not.toMatch(/"status":500/);
});
