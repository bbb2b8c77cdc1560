import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";

const SERVICE = "old.example";
const PASSWORD = "people's passwörd + more";
let berth: TestBerth;
let issuer: TestIssuer;
let robotToken: string;

/** The other token server: what it was asked, and how it answers. */
let server: Server;
let realm: string;
const asked: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];
let answer: (response: ServerResponse) => void;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const { method = "", url = "", headers } = request;
    asked.push({ method, url, headers, body: await text(request) });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token?realm=people`;
  [berth, issuer] = await Promise.all([
    startBerth({
      environment: {
        BERTH_RATE_LIMITS: "on",
        BERTH_RATE_LIMIT_LOGIN_FAILURES_PER_ADDRESS: "3",
        BERTH_TRUSTED_PROXIES: "127.0.0.0/8",
        LOG_LEVEL: "debug",
      },
    }),
    startIssuer(),
  ]);
  const settings = { service: SERVICE, fallback_realm: realm, refresh_tokens: true };
  expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
  robotToken = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
});

beforeEach(() => {
  asked.length = 0;
  answer = (response) => response.end("{}");
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
  server.closeAllConnections();
  server.close();
});

let made = 0;
/** Asks from an address that nobody else uses. */
function ask(path: string, { headers, ...init }: RequestInit & { headers?: Record<string, string> } = {}) {
  made += 1;
  return call(`${berth.url}/v2/auth${path}`, {
    ...init,
    headers: { "x-forwarded-for": `192.0.2.${made}`, ...headers },
  });
}
const get = (username: string, password: string, service = SERVICE) =>
  ask(`?service=${service}&scope=repository:acme/app:pull`, { headers: { authorization: basic(username, password) } });
const post = (form: Record<string, string>) =>
  ask("", { method: "POST", body: new URLSearchParams({ service: SERVICE, ...form }) });

function expectUnavailable({ status, headers, body }: ApiAnswer): void {
  expect(status).toBe(503);
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  expect(body).toEqual({
    errors: [{ code: "UNAVAILABLE", message: expect.stringMatching(/answers for people/), detail: expect.anything() }],
  });
}

describe("a person's login", () => {
  it("by GET is handed on as it came: credential and query, and nothing else of the request", async () => {
    const query = `?service=${SERVICE}&scope=repository:a/b:pull%20repository:c:push&scope=x&account=alice&x=%C3%A4%2B+`;
    const authorization = basic("alice", PASSWORD);
    await ask(query, { headers: { authorization, "user-agent": "docker/28", cookie: "secret=1", "x-custom": "1" } });
    expect(asked).toHaveLength(1);
    const [{ method, url, headers, body } = { method: "", url: "", headers: {}, body: "" }] = asked;
    expect([method, body]).toEqual(["GET", ""]);
    const { pathname, searchParams } = new URL(url, realm);
    expect(pathname).toBe("/token");
    expect([...searchParams]).toEqual([
      ["realm", "people"],
      ["service", SERVICE],
      ["scope", "repository:a/b:pull repository:c:push"],
      ["scope", "x"],
      ["account", "alice"],
      ["x", "ä+ "],
    ]);
    expect(headers).toMatchObject({ authorization, "user-agent": "docker/28", host: new URL(realm).host });
    for (const name of ["cookie", "x-custom", "forwarded"]) expect(headers).not.toHaveProperty(name);
    expect(headers["x-forwarded-for"]).toBe(`192.0.2.${made}`);
  });

  it("by POST is handed on with all that its form says", async () => {
    const body = `grant_type=password&username=al%69ce&password=p%2Bw+d&service=${SERVICE}&scope=a&scope=b%20c&&x`;
    const type = "application/x-www-form-urlencoded; charset=utf-8";
    await ask("", { method: "POST", body, headers: { "content-type": type } });
    expect(asked).toMatchObject([{ method: "POST", url: "/token?realm=people", headers: { "content-type": type } }]);
    expect([...new URLSearchParams(asked[0]?.body)]).toEqual([...new URLSearchParams(body)]);
  });

  it("by POST with Basic is handed on too", async () => {
    const headers = { authorization: basic("alice", PASSWORD), "content-type": "application/x-www-form-urlencoded" };
    await ask("", { method: "POST", body: `service=${SERVICE}`, headers });
    expect(asked).toMatchObject([{ method: "POST", headers: { authorization: headers.authorization } }]);
  });

  it.each<[string, () => Promise<ApiAnswer>]>([
    ["GET", () => get("", "an-opaque-identity-token")],
    ["POST", () => post({ grant_type: "refresh_token", refresh_token: "an-opaque-identity-token" })],
    ["GET of a JWT", async () => get("", await foreignToken())],
    ["POST of a JWT", async () => post({ grant_type: "refresh_token", refresh_token: await foreignToken() })],
  ])("by an identity token of the other server's is handed on by %s", async (_, login) => {
    expect((await login()).status).toBe(200);
    expect(asked).toHaveLength(1);
  });

  it.each([200, 400, 401, 403, 404, 429, 500, 503])("is answered as it was, with %i", async (status) => {
    const body = Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d]);
    answer = (response) =>
      response
        .writeHead(status, {
          "content-type": "application/vnd.other; charset=latin1",
          "www-authenticate": 'Basic realm="Others"',
          "retry-after": "77",
          "set-cookie": "session=1",
          refresh: "0; url=https://else.example",
          "x-secret": "1",
        })
        .end(body);
    made += 1;
    const response = await fetch(`${berth.url}/v2/auth?service=${SERVICE}`, {
      headers: { authorization: basic("alice", PASSWORD), "x-forwarded-for": `192.0.2.${made}` },
    });
    expect(response.status).toBe(status);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(body);
    const { headers } = response;
    expect(headers.get("content-type")).toBe("application/vnd.other; charset=latin1");
    expect(headers.get("www-authenticate")).toBe('Basic realm="Others"');
    expect(headers.get("retry-after")).toBe("77");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-security-policy")).toBe("sandbox");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    for (const name of ["set-cookie", "refresh", "x-secret"]) expect(headers.has(name), name).toBe(false);
  });

  it.each([204, 205])("is answered with an empty %i too", async (status) => {
    answer = (response) => response.writeHead(status).end();
    expect((await get("alice", PASSWORD)).status).toBe(status);
  });

  it("is not handed on where the registry has no such server, nor where there is no such registry", async () => {
    const refused = await get("alice", PASSWORD, berth.host);
    expect(refused.status).toBe(401);
    expect(refused.body.errors[0].message).toMatch(/must be a robot's/);
    expect((await get("alice", PASSWORD, "nobody.example")).status).toBe(400);
    expect(asked).toEqual([]);
  });
});

describe("what is Berth's own", () => {
  const robots: readonly [string, () => Promise<ApiAnswer>, number][] = [
    ["a robot", () => get("acme+ci", robotToken), 200],
    ["a robot with a wrong password", () => get("acme+ci", PASSWORD), 401],
    ["a robot whose plus became a space", () => get("acme ci", PASSWORD), 401],
    ["a robot that is not there", () => get("nobody+here", PASSWORD), 401],
    ["a robot by POST", () => post({ grant_type: "password", username: "acme+ci", password: PASSWORD }), 401],
    ["a robot token alone", () => get("", robotToken), 200],
    ["a robot token as an identity token", () => post({ grant_type: "refresh_token", refresh_token: robotToken }), 200],
    ["a robot token that was altered", () => get("", `${robotToken.slice(0, -4)}AAAA`), 401],
    ["a static token that is not known", () => get("", "berth_robot_x"), 401],
    ["nobody", () => ask(`?service=${SERVICE}&scope=repository:acme/app:pull`), 200],
    ["nobody who logs in", () => ask(`?service=${SERVICE}`), 401],
    ["what cannot be read", () => ask(`?service=${SERVICE}`, { headers: { authorization: "Bearer x" } }), 401],
    ["a grant_type that is none", () => post({ grant_type: "implicit", username: "alice", password: "x" }), 401],
  ];
  it.each(robots)("is never handed on: %s", async (_, login, status) => {
    expect((await login()).status).toBe(status);
    expect(asked).toEqual([]);
  });

  it("is never handed on, even under a person's name", async () => {
    const { refresh_token } = (
      await ask(`?service=${SERVICE}&offline_token=true`, { headers: { authorization: basic("acme+ci", robotToken) } })
    ).body;
    const staticToken = (await berth.api("POST", "/organization/acme/robots/ci/regenerate", {})).body.token;
    for (const credential of [robotToken, refresh_token, staticToken]) {
      expect(credential).toEqual(expect.any(String));
      expect((await get("alice", credential)).status).toBe(401);
      expect((await post({ grant_type: "password", username: "alice", password: credential })).status).toBe(401);
      await get("", credential);
    }
    expect(asked).toEqual([]);
  });
});

describe("a token server that fails", () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ["redirects", (response) => response.writeHead(302, { location: "https://else.example/" }).end()],
    ["says too much", (response) => response.end("x".repeat(200 * 1024))],
    ["hangs up", (response) => response.destroy()],
    [
      "hangs up in the middle",
      (response) => response.writeHead(200, { "content-length": "9" }).write("x", () => response.destroy()),
    ],
  ])("and %s is told as unavailable", async (_, how) => {
    answer = how;
    expectUnavailable(await get("alice", PASSWORD));
    expect(asked).toHaveLength(1);
  });

  it("and never answers is given up on", async () => {
    answer = () => {};
    expectUnavailable(await get("alice", PASSWORD));
  });

  it("is not there at all, which keeps no robot out", async () => {
    const settings = { service: "down.example", fallback_realm: `http://127.0.0.1:${await freePort()}/` };
    await berth.api("POST", "/registries", settings);
    expectUnavailable(await get("alice", PASSWORD, "down.example"));
    expect((await get("acme+ci", robotToken, "down.example")).status).toBe(200);
  });

  it("is this service by another name, which does not go round in circles", async () => {
    const settings = {
      service: "loop.example",
      fallback_realm: `${berth.url.replace("127.0.0.1", "localhost")}/v2/auth`,
    };
    expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
    const requests = () => berth.log.filter((line) => line.includes('"route":"/v2/auth"')).length;
    const before = requests();
    expect((await get("alice", PASSWORD, "loop.example")).status).toBeGreaterThanOrEqual(401);
    // Those that were handed on end after it, if at all.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(requests() - before).toBeLessThanOrEqual(2);
  });
});

describe("logins that the other server refuses", () => {
  const from = (address: string, password: string) =>
    call(`${berth.url}/v2/auth?service=${SERVICE}`, {
      headers: { authorization: basic("alice", password), "x-forwarded-for": address },
    });

  it("count as failed ones, after which nobody is asked any more", async () => {
    answer = (response) => response.writeHead(401).end("no");
    for (let attempt = 0; attempt < 3; attempt += 1)
      expect((await from("203.0.113.1", `x${attempt}`)).status).toBe(401);
    const limited = await from("203.0.113.1", "x");
    expect([limited.status, limited.body.errors[0].code]).toEqual([429, "TOOMANYREQUESTS"]);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(asked).toHaveLength(3);
    expect((await from("203.0.113.2", "x")).status).toBe(401);
    const robot = await call(`${berth.url}/v2/auth?service=${SERVICE}`, {
      headers: { authorization: basic("acme+ci", robotToken), "x-forwarded-for": "203.0.113.1" },
    });
    expect(robot.status).toBe(200);
  });

  it("by both methods count once, and good ones not at all", async () => {
    for (let attempt = 0; attempt < 9; attempt += 1) expect((await from("203.0.113.3", PASSWORD)).status).toBe(200);
    answer = (response) => response.writeHead(401).end("no");
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const password = `y${attempt}`;
      const form = new URLSearchParams({ service: SERVICE, grant_type: "password", username: "alice", password });
      const headers = { "x-forwarded-for": "203.0.113.3" };
      expect((await call(`${berth.url}/v2/auth`, { method: "POST", body: form, headers })).status).toBe(401);
      expect((await from("203.0.113.3", password)).status).toBe(401);
    }
    expect((await from("203.0.113.3", "z")).status).toBe(429);
  });
});

it("no person's credential is in the log or the audit log, nor what was asked for", async () => {
  const { body } = await berth.api("GET", "/logs?limit=500");
  const written = JSON.stringify([body, berth.log]);
  expect(berth.log.join()).toContain("the fallback realm does not answer");
  for (const secret of [PASSWORD, basic("alice", PASSWORD).slice(6), "an-opaque-identity-token", "repository%3Aacme"]) {
    expect(written).not.toContain(secret);
  }
});

function foreignToken(): Promise<string> {
  return new SignJWT({ sub: "alice" }).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(new Uint8Array(32));
}
