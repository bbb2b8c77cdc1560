import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";

let berth: TestBerth;
let issuer: TestIssuer;
let robotToken: string;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  await berth.createRobot("acme+ci", {
    federation: [{ issuer: issuer.url, subject }],
    grants: [{ repository: "acme/*", actions: ["pull", "push"] }],
  });
  robotToken = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

const formType = "application/x-www-form-urlencoded";
const post = (form: string | Record<string, string>, headers: Record<string, string> = {}, query = "") =>
  call(`${berth.url}/v2/auth${query}`, {
    method: "POST",
    headers: { "content-type": formType, ...headers },
    body: typeof form === "string" ? form : new URLSearchParams(form).toString(),
  });
const password = () => ({ grant_type: "password", username: "acme+ci", password: robotToken });
const access = [{ type: "repository", name: "acme/app", actions: ["pull"] }];

describe("POST at the registry token endpoint", () => {
  it("takes a name and a password, and says which scope it granted", async () => {
    const scope = "repository:acme/app:pull,delete";
    const { status, headers, body } = await post({
      ...password(),
      service: berth.host,
      client_id: "containerd",
      scope,
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      token: expect.any(String),
      access_token: body.token,
      expires_in: 900,
      issued_at: expect.stringMatching(/Z$/),
      scope: "repository:acme/app:pull",
    });
    expect(headers.get("cache-control")).toBe("no-store");
    expect(decodeJwt(body.token)).toMatchObject({ sub: "acme+ci", aud: berth.host, access });
  });

  it("takes a robot token as an identity token, and gives no other", async () => {
    const form = { grant_type: "refresh_token", refresh_token: robotToken, access_type: "offline" };
    const { status, body } = await post({ ...form, scope: "repository:acme/app:pull" });
    expect(status).toBe(200);
    expect(decodeJwt(body.token)).toMatchObject({ sub: "acme+ci", access });
    expect(body).not.toHaveProperty("refresh_token");
  });

  it("takes scopes repeated and separated by spaces", async () => {
    const form = new URLSearchParams(password());
    form.append("scope", "repository:acme/app:pull repository:acme/web:push");
    form.append("scope", "repository:acme/base:pull");
    form.append("scope", "repository:other/app:pull");
    const { body } = await post(form.toString());
    expect(body.scope).toBe("repository:acme/app:pull repository:acme/web:push repository:acme/base:pull");
  });

  it("takes a form that names its character set", async () => {
    expect((await post(password(), { "content-type": `${formType}; charset=utf-8` })).status).toBe(200);
  });

  it("without a grant_type but with Basic is as GET", async () => {
    const authorization = basic("acme+ci", robotToken);
    for (const [form, query] of [
      ["scope=repository:acme/app:pull", ""],
      ["", "?scope=repository:acme/app:pull"],
    ] as const) {
      const { status, body } = await post(form, { authorization }, query);
      expect(status).toBe(200);
      expect(decodeJwt(body.token)).toMatchObject({ sub: "acme+ci", access });
    }
  });

  it("takes an empty name and password for nobody", async () => {
    const nobody = { grant_type: "password", username: "", password: "" };
    expect((await post({ ...nobody, scope: "repository:acme/app:pull" })).body).toMatchObject({ scope: "" });
    expect((await post(nobody)).status).toBe(401);
  });

  it.each<[string, () => string | Record<string, string>, number]>([
    ["a wrong password", () => ({ ...password(), password: "hunter2" }), 401],
    ["another robot's name", () => ({ ...password(), username: "acme+other" }), 401],
    ["a name that is no robot's", () => ({ ...password(), username: "acme" }), 401],
    ["no name", () => ({ grant_type: "password", password: robotToken }), 401],
    ["a wrong identity token", () => ({ grant_type: "refresh_token", refresh_token: "hunter2" }), 401],
    ["no identity token", () => ({ grant_type: "refresh_token" }), 401],
    ["another grant_type", () => ({ ...password(), grant_type: "authorization_code" }), 401],
    ["nothing", () => "", 401],
    ["rubbish", () => "%zz&=&", 401],
    ["an unknown service", () => ({ ...password(), service: "other.example" }), 400],
    ["NUL for a service", () => ({ ...password(), service: "\u0000" }), 400],
    ["a scope that is none", () => ({ ...password(), scope: "pull" }), 400],
    ["NUL for everything", () => ({ grant_type: "\u0000", username: "\u0000", password: "\u0000" }), 401],
    ["too much", () => ({ ...password(), x: "x".repeat(70_000) }), 413],
  ])("with %s is refused in JSON", async (_, form, status) => {
    const answer = await post(form());
    expect(answer.status).toBe(status);
    expect(answer.body.errors).toHaveLength(1);
    expect(answer.body.errors[0]).toMatchObject({ code: expect.any(String), message: expect.any(String) });
    expect(answer.headers.has("www-authenticate")).toBe(status === 401);
  });

  it("in JSON is answered in JSON", async () => {
    const answer = await post(JSON.stringify(password()), { "content-type": "application/json" });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].code).toBe("UNSUPPORTED");
  });
});
