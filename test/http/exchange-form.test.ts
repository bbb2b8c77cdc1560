import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import {
  askRegistryToken,
  exchangeByForm,
  expectRefusal,
  jwtType,
  recordsOf,
  tokenExchange,
} from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
const sign = () => issuer.sign(berth.url);

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  const grants = [{ repository: "acme/*", actions: ["pull", "push", "delete"] }, { catalog: true }];
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }], grants });
  await berth.createRobot("acme+narrow", {
    federation: [{ issuer: issuer.url, subject, scope: "repository:acme/app:pull,push repository:acme/base:pull" }],
    grants,
  });
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

/** Sends a form as the very text. */
function post(body: string, contentType = "application/x-www-form-urlencoded") {
  return call(`${berth.url}/oauth2/token`, { method: "POST", headers: { "content-type": contentType }, body });
}

describe("token exchange by RFC 8693", () => {
  it("gives a robot token in the RFC's own members", async () => {
    const { status, headers, body } = await exchangeByForm(berth, "acme+ci", await sign());
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
      token_type: "Bearer",
      expires_in: 3600,
    });
    expect(headers.get("cache-control")).toBe("no-store");
    expect(decodeJwt(body.access_token)).toMatchObject({ sub: "acme+ci", aud: `${berth.url}/v2/auth` });
  });

  it.each([jwtType, jwtType.replace("jwt", "access_token"), jwtType.replace("jwt", "id_token")])(
    "takes a subject token of the type %s",
    async (subject_token_type) => {
      expect((await exchangeByForm(berth, "acme+ci", await sign(), { subject_token_type })).status).toBe(200);
    },
  );

  it.each([
    ["a plus", "urn:berth:robot:acme+ci"],
    ["an encoded plus", "urn%3Aberth%3Arobot%3Aacme%2Bci"],
    ["a space", "urn:berth:robot:acme%20ci"],
    ["Quay's name", "urn:quay:robot:acme%2Bci"],
  ])("takes a resource with %s", async (_, resource) => {
    const form = `grant_type=${tokenExchange}&subject_token_type=${jwtType}&subject_token=${await sign()}&resource=${resource}`;
    const { status, body } = await post(form);
    expect(status).toBe(200);
    expect(decodeJwt(body.access_token).sub).toBe("acme+ci");
  });

  it("takes a form that names its character set", async () => {
    const form = `grant_type=${tokenExchange}&subject_token_type=${jwtType}&subject_token=${await sign()}&resource=urn:berth:robot:acme%2Bci`;
    for (const type of [
      "application/x-www-form-urlencoded; charset=UTF-8",
      "Application/X-WWW-Form-Urlencoded;charset=utf-8",
    ]) {
      expect((await post(form, type)).status).toBe(200);
    }
  });

  it("takes the service itself for an audience, and what it does not know for nothing", async () => {
    for (const given of [
      { audience: `${berth.url}/v2/auth` },
      { audience: berth.url },
      { client_id: "x", foo: "bar" },
    ]) {
      expect((await exchangeByForm(berth, "acme+ci", await sign(), given)).status).toBe(200);
    }
  });

  it.each(["scope", "audience", "requested_token_type", "actor_token"])(
    "takes an empty %s for none at all (RFC 6749 §3.2)",
    async (name) => {
      const { status, body } = await exchangeByForm(berth, "acme+ci", await sign(), { [name]: "" });
      expect(status).toBe(200);
      expect(decodeJwt(body.access_token)).not.toHaveProperty("scope");
    },
  );
});

describe("a scope at the exchange", () => {
  /** What a registry token says that was had with the robot token. */
  async function access(robotToken: string, robot = "acme+ci") {
    const scopes = ["repository:acme/app:*", "repository:acme/web:*", "repository:acme/base:*", "registry:catalog:*"];
    const { status, body } = await askRegistryToken(berth, scopes.map((scope) => `scope=${scope}`).join("&"), [
      robot,
      robotToken,
    ]);
    expect(status).toBe(200);
    return decodeJwt<{ access: { name: string; actions: string[] }[] }>(body.token).access.map(
      ({ name, actions }) => `${name}:${actions.join(",")}`,
    );
  }

  it("narrows the robot token, and the registry token that comes of it", async () => {
    const scope = "repository:acme/app:pull";
    const { body } = await exchangeByForm(berth, "acme+ci", await sign(), { scope });
    expect(body.scope).toBe(scope);
    expect(decodeJwt(body.access_token)).toMatchObject({ scope });
    expect(await access(body.access_token)).toEqual(["acme/app:pull"]);
  });

  it("that is absent leaves the robot all it holds", async () => {
    const { body } = await exchangeByForm(berth, "acme+ci", await sign());
    expect(await access(body.access_token)).toEqual([
      "acme/app:pull,push,delete",
      "acme/web:pull,push,delete",
      "acme/base:pull,push,delete",
      "catalog:*",
    ]);
  });

  it("narrows by prefix, by several and by every action", async () => {
    const scope = "repository:acme/web:* repository:acme/base:pull,push registry:catalog:*";
    const { body } = await exchangeByForm(berth, "acme+ci", await sign(), { scope });
    expect(await access(body.access_token)).toEqual(["acme/web:pull,push,delete", "acme/base:pull,push", "catalog:*"]);
  });

  it("meets the binding's own, and neither widens the other", async () => {
    const token = async (scope?: string) =>
      (await exchangeByForm(berth, "acme+narrow", await sign(), { scope })).body.access_token;
    expect(await access(await token(), "acme+narrow")).toEqual(["acme/app:pull,push", "acme/base:pull"]);
    expect(await access(await token("repository:acme/*:pull"), "acme+narrow")).toEqual([
      "acme/app:pull",
      "acme/base:pull",
    ]);
    expect(await access(await token("repository:*:*"), "acme+narrow")).toEqual([
      "acme/app:pull,push",
      "acme/base:pull",
    ]);
    expect(await access(await token("repository:acme/web:pull"), "acme+narrow")).toEqual([]);
  });

  it.each([
    "acme/app",
    "repository:acme/app",
    "repository:acme/app:admin",
    "openid",
    "repository:ACME/app:pull",
    "registry:x:*",
  ])("that is none of a repository's is refused: %s", async (scope) => {
    const answer = await exchangeByForm(berth, "acme+ci", await sign(), { scope });
    expectRefusal(answer, 400, "scope_invalid");
    expect(answer.body.error).toBe("invalid_scope");
    expect(await recordsOf(berth, answer)).toHaveLength(1);
  });
});

describe("parameters that are not right", () => {
  it.each<[string, Record<string, string | undefined>, string, string]>([
    ["no grant_type", { grant_type: undefined }, "invalid_request", "request_invalid"],
    ["another grant_type", { grant_type: "client_credentials" }, "unsupported_grant_type", "request_invalid"],
    ["no subject_token_type", { subject_token_type: undefined }, "invalid_request", "request_invalid"],
    ["another subject_token_type", { subject_token_type: "urn:x" }, "invalid_request", "request_invalid"],
    [
      "another requested_token_type",
      { requested_token_type: jwtType.replace("jwt", "saml2") },
      "invalid_request",
      "request_invalid",
    ],
    ["an actor_token", { actor_token: "x" }, "invalid_request", "request_invalid"],
    ["another audience", { audience: "https://else.example" }, "invalid_target", "target_invalid"],
    ["no resource", { resource: undefined }, "invalid_target", "target_invalid"],
    ["a resource that is no robot", { resource: "https://registry.example" }, "invalid_target", "target_invalid"],
    ["a robot without an organization", { resource: "urn:berth:robot:ci" }, "invalid_target", "target_invalid"],
    ["another kind of resource", { resource: "urn:berth:user:acme+ci" }, "invalid_target", "target_invalid"],
  ])("are 400: %s", async (_, given, error, code) => {
    const answer = await exchangeByForm(berth, "acme+ci", await sign(), given);
    expectRefusal(answer, 400, code);
    expect(answer.body.error).toBe(error);
    expect(await recordsOf(berth, answer)).toEqual([]);
  });

  it.each([undefined, ""])("are 400 where the subject_token is %j", async (subject_token) => {
    const answer = await exchangeByForm(berth, "acme+ci", "", { subject_token });
    expectRefusal(answer, 400, "credential_missing");
  });

  it.each(["grant_type", "subject_token", "subject_token_type", "resource", "scope"])(
    "are 400 where %s comes twice",
    async (name) => {
      const form = new URLSearchParams({
        grant_type: tokenExchange,
        subject_token: await sign(),
        subject_token_type: jwtType,
        resource: "urn:berth:robot:acme+ci",
        scope: "repository:acme/app:pull",
      });
      form.append(name, form.get(name) ?? "");
      const answer = await post(form.toString());
      expectRefusal(answer, 400, "request_invalid");
      expect(answer.body.message).toContain(name);
    },
  );

  it.each([
    "application/json",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/x-www-form-urlencoded-not",
    "",
  ])("are 400 where they come as %j", async (contentType) => {
    const json = JSON.stringify({
      grant_type: tokenExchange,
      subject_token: await sign(),
      subject_token_type: jwtType,
    });
    const answer = await post(json, contentType);
    expectRefusal(answer, 400, "request_invalid");
    expect(answer.body.message).toContain("application/x-www-form-urlencoded");
  });

  it.each(["", "%", "%zz=%", "=&=", "&&&", "a".repeat(1000)])("are 400 where the form is %j", async (form) => {
    expectRefusal(await post(form), 400, "request_invalid");
  });
});
