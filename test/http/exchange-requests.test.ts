import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { expectRefusal, recordsOf } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  const bind = (given: object = {}) => [{ issuer: issuer.url, subject, ...given }];
  await berth.createRobot("acme+ci", { federation: bind() });
  await berth.createRobot("acme+short", { federation: bind({ token_ttl: 300 }) });
  const soon = new Date(Date.now() + 600_000).toISOString();
  await berth.createRobot("acme+ending", { federation: bind({ expires_at: soon }) });
  await berth.createRobot("acme+audit", { federation: bind({ mode: "audit" }) });
  await berth.createRobot("acme+both", {
    federation: [...bind({ mode: "audit", audiences: ["x"] }), ...bind({ audiences: [berth.url] })],
  });
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

const route = () => `${berth.url}/oauth2/federation/robot/token`;

describe("Quay's route", () => {
  it.each(["GET", "POST"])("gives a token to %s, in Quay's members and OAuth's", async (method) => {
    const authorization = basic("acme+ci", await issuer.sign(berth.url));
    const { status, headers, body } = await call(route(), { method, headers: { authorization } });
    expect(status).toBe(200);
    expect(body).toEqual({
      token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      access_token: body.token,
      token_type: "Bearer",
      expires_in: 3600,
      issued_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
      robot: "acme+ci",
    });
    expect(headers.get("cache-control")).toBe("no-store");
    const { exp = 0, iat = 0 } = decodeJwt(body.token);
    expect(exp - iat).toBe(3600);
  });

  it("reads a space in the user's name as the plus that it was", async () => {
    expect((await berth.exchange("acme ci", await issuer.sign(berth.url))).body.robot).toBe("acme+ci");
  });

  it("takes a final slash, any case of the scheme, and a POST with a body of its own", async () => {
    const authorization = basic("acme+ci", await issuer.sign(berth.url));
    const headers = { authorization: authorization.replace("Basic", "bASIC") };
    expect((await call(`${route()}/`, { headers })).status).toBe(200);
    expect((await call(route(), { method: "POST", headers, body: "{}" })).status).toBe(200);
  });

  it("leaves one record of a success, which names the binding and both tokens but holds neither", async () => {
    const token = await issuer.sign(berth.url, { jti: "run-7" });
    const answer = await berth.exchange("acme+ci", token);
    const records = await recordsOf(berth, answer);
    expect(records).toHaveLength(1);
    const [bound] = (await berth.api("GET", "/organization/acme/robots/ci/federation")).body;
    expect(records[0]).toMatchObject({
      kind: "federated_robot_token_exchange",
      outcome: "success",
      code: "granted",
      organization: "acme",
      robot: "acme+ci",
      metadata: {
        issuer: issuer.url,
        subject,
        jti: "run-7",
        binding_id: bound.id,
        binding_version: 1,
        token_verified: true,
        robot_token_jti: decodeJwt(answer.body.token).jti,
      },
    });
  });

  it("counts the binding's uses and notes the robot's last", async () => {
    await berth.createRobot("acme+counted", { federation: [{ issuer: issuer.url, subject }] });
    for (let use = 0; use < 3; use += 1) await berth.exchange("acme+counted", await issuer.sign(berth.url));
    const [bound] = (await berth.api("GET", "/organization/acme/robots/counted/federation")).body;
    expect(bound).toMatchObject({ use_count: 3, version: 1, last_used: expect.stringMatching(/^20/) });
    const robot = (await berth.api("GET", "/organization/acme/robots/counted")).body;
    expect(robot.last_accessed).toBe(bound.last_used);
  });
});

describe("a robot token's life", () => {
  it("is the binding's own where that is shorter", async () => {
    expect((await berth.exchange("acme+short", await issuer.sign(berth.url))).body.expires_in).toBe(300);
  });

  it("does not outlast its binding", async () => {
    const { body } = await berth.exchange("acme+ending", await issuer.sign(berth.url));
    expect(body.expires_in).toBeGreaterThan(500);
    expect(body.expires_in).toBeLessThanOrEqual(600);
  });
});

describe("a binding in audit mode", () => {
  it("mints nothing, and records what it would have said", async () => {
    const [bound] = (await berth.api("GET", "/organization/acme/robots/audit/federation")).body;
    for (const [claims, matched] of [
      [{}, true],
      [{ aud: "https://else.example" }, false],
    ] as const) {
      const answer = await berth.exchange("acme+audit", await issuer.sign(berth.url, claims));
      expectRefusal(answer, 400, "robot_unbound");
      const [record] = await recordsOf(berth, answer);
      expect(record.metadata.audited_bindings).toEqual([expect.objectContaining({ id: bound.id, matched })]);
    }
  });

  it("stands beside one that mints, and is told of in the same record", async () => {
    const answer = await berth.exchange("acme+both", await issuer.sign(berth.url));
    expect(answer.status).toBe(200);
    const [record] = await recordsOf(berth, answer);
    expect(record.metadata.audited_bindings).toEqual([expect.objectContaining({ matched: false })]);
  });
});

describe("what is no exchange", () => {
  it.each([
    ["PUT", "/oauth2/federation/robot/token", "GET, HEAD, POST"],
    ["DELETE", "/oauth2/federation/robot/token", "GET, HEAD, POST"],
    ["GET", "/oauth2/token", "POST"],
    ["PATCH", "/oauth2/token", "POST"],
  ])("%s %s is 405, and says what would do", async (method, path, allow) => {
    const answer = await call(berth.url + path, { method });
    expectRefusal(answer, 405, "method_not_allowed");
    expect(answer.headers.get("allow")).toBe(allow);
  });

  it.each(["/oauth2", "/oauth2/", "/oauth2/authorize", "/oauth2/token/x", "/oauth2/federation/robot"])(
    "%s is 404",
    async (path) => {
      for (const method of ["GET", "POST"]) expectRefusal(await call(berth.url + path, { method }), 404, "not_found");
    },
  );

  it.each(["/oauth2/token", "/oauth2/federation/robot/token"])("a body over 64 KiB at %s is 413", async (path) => {
    const body = new URLSearchParams({ subject_token: "x".repeat(64 * 1024) });
    expectRefusal(await call(berth.url + path, { method: "POST", body }), 413, "body_too_large");
  });

  it("a body over 64 KiB without a stated length is 413", async () => {
    const stream = new Blob(["x".repeat(70_000)]).stream();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const init = { method: "POST", headers, body: stream, duplex: "half" };
    expectRefusal(await call(`${berth.url}/oauth2/token`, init as RequestInit), 413, "body_too_large");
  });

  it("headers over 32 KiB are 431", async () => {
    const { status } = await call(route(), { headers: { authorization: `Basic ${"A".repeat(40_000)}` } });
    expect(status).toBe(431);
  });
});
