import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";

const robot = "acme+ci";
const scope = "repository:acme/app:pull";
let berth: TestBerth;
let issuer: TestIssuer;
let robotToken: string;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  await berth.createRobot(robot, {
    federation: [{ issuer: issuer.url, subject }],
    grants: [{ repository: "acme/*", actions: ["pull"] }],
  });
  robotToken = (await berth.exchange(robot, await issuer.sign(berth.url))).body.token;
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

function post(form: Record<string, string> | [string, string][], headers: Record<string, string> = {}) {
  return call(`${berth.url}/v2/auth`, { method: "POST", body: new URLSearchParams(form), headers });
}

describe("POST to the token endpoint", () => {
  it("takes a password, with repeated scopes, and says what it granted", async () => {
    const answer = await post([
      ["grant_type", "password"],
      ["service", berth.host],
      ["client_id", "containerd-client"],
      ["username", robot],
      ["password", robotToken],
      ["scope", scope],
      ["scope", "repository:other/app:pull"],
    ]);
    expect(answer).toMatchObject({ status: 200, body: { scope, expires_in: 900 } });
    expect(answer.body.refresh_token).toBeUndefined();
    expect(decodeJwt(answer.body.access_token)).toMatchObject({ sub: robot, access: [{ name: "acme/app" }] });
  });

  it("takes a robot token as the identity token that it is", async () => {
    const byForm = await post({ grant_type: "refresh_token", service: berth.host, refresh_token: robotToken, scope });
    expect(decodeJwt(byForm.body.access_token)).toMatchObject({ sub: robot, access: [{ name: "acme/app" }] });
    const byBasic = await call(`${berth.url}/v2/auth?scope=${scope}`, {
      headers: { authorization: basic("", robotToken) },
    });
    expect(decodeJwt(byBasic.body.token)).toMatchObject({ sub: robot });
  });

  it("acts as GET with Basic and no grant_type, by form or by query", async () => {
    const authorization = basic(robot, robotToken);
    const byForm = await post({ scope }, { authorization });
    expect(decodeJwt(byForm.body.token)).toMatchObject({ sub: robot, access: [{ name: "acme/app" }] });
    const byQuery = await call(`${berth.url}/auth/token?scope=${scope}`, {
      method: "POST",
      headers: { authorization },
    });
    expect(decodeJwt(byQuery.body.token)).toMatchObject({ sub: robot, access: [{ name: "acme/app" }] });
  });

  it.each([
    ["a wrong password", { grant_type: "password", username: robot, password: "wrong" }],
    ["no username", { grant_type: "password", username: "", password: "wrong" }],
    ["a wrong identity token", { grant_type: "refresh_token", refresh_token: "wrong" }],
    ["no identity token", { grant_type: "refresh_token" }],
    ["an unknown grant", { grant_type: "authorization_code", code: "x" }],
    ["nothing", {}],
  ])("answers JSON to %s: 401", async (_, form) => {
    const answer = await post({ ...form });
    expect(answer).toMatchObject({ status: 401, body: { errors: [{ code: "UNAUTHORIZED" }] } });
    expect(answer.headers.get("www-authenticate")).toContain("Basic");
  });

  it("knows no registry with a NUL in its service, however that is sent", async () => {
    const byForm = await post({ grant_type: "password", service: "a\0", username: robot, password: robotToken });
    expect(byForm).toMatchObject({ status: 400, body: { errors: [{ code: "UNSUPPORTED" }] } });
    for (const path of ["/v2/auth?service=a%00", "/registries/a%00/certs.pem", "/api/v1/organization/a%00"]) {
      expect((await call(berth.url + path)).status).toBe(400);
    }
  });

  it("refuses a body over its bound", async () => {
    const answer = await post({ grant_type: "password", username: robot, password: "x".repeat(65 * 1024) });
    expect(answer).toMatchObject({ status: 413, body: { errors: [{ code: "UNSUPPORTED" }] } });
  });
});
