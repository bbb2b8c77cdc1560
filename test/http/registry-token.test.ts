import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
let robotToken: string;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  const federation = [{ issuer: issuer.url, subject }];
  await berth.createRobot("acme+ci", {
    federation,
    grants: [{ repository: "acme/*", actions: ["pull", "push"] }, { catalog: true }],
  });
  await berth.createRobot("acme+other", { federation });
  robotToken = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

const ask = (query: string) => askRegistryToken(berth, query, ["acme+ci", robotToken]);

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}
const accessOf = ({ body }: ApiAnswer) => decodeJwt<{ access: Access[] }>(body.token).access;

/** Checks that an answer is an error as the OCI distribution specification has it. */
function expectError(answer: ApiAnswer, status: number, code: string): string {
  expect(answer.body).toEqual({
    errors: [{ code, message: expect.any(String), detail: { request_id: answer.headers.get("x-request-id") } }],
  });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  expect(answer.headers.has("www-authenticate")).toBe(status === 401);
  return answer.body.errors[0].message;
}

describe("the registry token endpoint", () => {
  it("answers as clients read it", async () => {
    const answer = await ask(`service=${berth.host}&scope=repository:acme/app:pull`);
    expect(answer.status).toBe(200);
    const { token } = answer.body;
    expect(answer.body).toEqual({
      token,
      access_token: token,
      expires_in: 900,
      issued_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const { exp = 0, nbf = 0, iat } = decodeJwt(token);
    const issuedAt = Math.floor(Date.parse(answer.body.issued_at) / 1000);
    expect([nbf, iat, exp]).toEqual([issuedAt - 30, issuedAt - 30, issuedAt + 900]);
  });

  it.each(["/v2/auth", "/v2/auth/", "/auth", "/auth/", "/auth/token"])("is at %s too", async (path) => {
    const query = `service=${berth.host}&scope=repository:acme/app:pull`;
    const answer = await call(`${berth.url}${path}?${query}`, {
      headers: { authorization: basic("acme+ci", robotToken) },
    });
    expect(accessOf(answer)).toEqual([{ type: "repository", name: "acme/app", actions: ["pull"] }]);
  });

  it.each(["service=", "", "account=acme%2Bci&client_id=docker&offline_token=true"])(
    "takes the default registry where it is asked %j",
    async (query) => {
      const { status, body } = await ask(query);
      expect(status).toBe(200);
      expect(decodeJwt(body.token).aud).toBe(berth.host);
      expect(body).not.toHaveProperty("refresh_token");
    },
  );

  it.each<[string, string, Access[]]>([
    [
      "repeated",
      "scope=repository:acme/app:pull&scope=repository:acme/web:push",
      [
        { type: "repository", name: "acme/app", actions: ["pull"] },
        { type: "repository", name: "acme/web", actions: ["push"] },
      ],
    ],
    [
      "separated by spaces",
      "scope=repository:acme/app:pull+repository:acme/web:push",
      [
        { type: "repository", name: "acme/app", actions: ["pull"] },
        { type: "repository", name: "acme/web", actions: ["push"] },
      ],
    ],
    [
      "doubled",
      "scope=repository:acme/app:pull&scope=repository:acme/app:push,pull",
      [{ type: "repository", name: "acme/app", actions: ["pull", "push"] }],
    ],
    ["with *", "scope=repository:acme/app:*", [{ type: "repository", name: "acme/app", actions: ["pull", "push"] }]],
    [
      "with a class",
      "scope=repository(plugin):acme/app:pull",
      [{ type: "repository", name: "acme/app", actions: ["pull"] }],
    ],
    ["beyond what is held", "scope=repository:acme/app:delete", []],
    ["of another's repository", "scope=repository:other/app:pull", []],
    [
      "of an unknown type, beside a known one",
      "scope=chart:acme/app:pull&scope=repository:acme/app:pull",
      [{ type: "repository", name: "acme/app", actions: ["pull"] }],
    ],
    ["with a port in its name", "scope=repository:localhost:5000/acme/app:pull", []],
    ["of the catalog", "scope=registry:catalog:*", [{ type: "registry", name: "catalog", actions: ["*"] }]],
  ])("grants the part that is held, for a scope %s", async (_, query, access) => {
    const answer = await ask(`service=${berth.host}&${query}`);
    expect(answer.status).toBe(200);
    expect(accessOf(answer)).toEqual(access);
  });

  it("takes 64 scopes in an answer under 64 KiB, and refuses 65", async () => {
    const scopes = (count: number) =>
      Array.from({ length: count }, (_, index) => `scope=repository:acme/app-${index}:pull,push`).join("&");
    const answer = await ask(scopes(64));
    expect(accessOf(answer)).toHaveLength(64);
    expect(JSON.stringify(answer.body).length).toBeLessThan(64 * 1024);
    expectError(await ask(scopes(65)), 400, "UNSUPPORTED");
    expectError(await ask(`scope=${scopes(65).replaceAll("&scope=", "+").slice(6)}`), 400, "UNSUPPORTED");
  });

  it.each(["repository", "repository:acme/app", "repository:acme/app:PULL", "%00:%00:pull", "%zz"])(
    "refuses the scope %s",
    async (scope) => {
      expectError(await ask(`scope=${scope}`), 400, "UNSUPPORTED");
      expectError(await askRegistryToken(berth, `scope=${scope}`), 400, "UNSUPPORTED");
    },
  );

  it.each(["other.example", "%01", "%ff", "x".repeat(5000)])("refuses the service %s", async (service) => {
    const message = expectError(await ask(`service=${service}`), 400, "UNSUPPORTED");
    expect(message).toMatch(/no registry with the service/);
    expectError(await askRegistryToken(berth, `service=${service}&scope=repository:a:pull`), 400, "UNSUPPORTED");
  });

  it("refuses two services, in whatever order, and takes one that is named twice", async () => {
    const own = new URL(berth.url).host;
    for (const [one, other] of [
      [own, "other.example"],
      ["other.example", own],
      [own, ""],
    ]) {
      const message = expectError(await ask(`service=${one}&service=${other}`), 400, "UNSUPPORTED");
      expect(message).toContain(`no registry with the service "${one} and ${other}"`);
    }
    expect((await ask(`service=${own}&service=${own}`)).status).toBe(200);
  });

  it.each(["service=%00", "service=a%00b", "scope=%00", "scope=repository:a%00b:pull", "x=%00"])(
    "refuses NUL: %s",
    async (query) => {
      expectError(await ask(query), 400, "UNSUPPORTED");
      expectError(await askRegistryToken(berth, query), 400, "UNSUPPORTED");
    },
  );

  it("refuses other methods in JSON, and says what would do", async () => {
    for (const method of ["PUT", "DELETE", "PATCH"]) {
      const answer = await call(`${berth.url}/v2/auth`, { method });
      expectError(answer, 405, "UNSUPPORTED");
      expect(answer.headers.get("allow")).toBe("GET, HEAD, POST");
    }
  });

  it("answers errors at every path of its own as registries do", async () => {
    for (const path of ["/v2/x", "/v2/_catalog", "/auth/x", "/registries/none/x"]) {
      expectError(await call(berth.url + path), 404, "NAME_UNKNOWN");
    }
  });
});

describe("nobody", () => {
  it.each<[string, Record<string, string>]>([
    ["without a header", {}],
    ["with an empty name and password", { authorization: "Basic Og==" }],
  ])("%s gets a token for what is public: nothing", async (_, headers) => {
    const answer = await call(`${berth.url}/v2/auth?scope=repository:acme/app:pull`, { headers });
    expect(answer.status).toBe(200);
    expect(accessOf(answer)).toEqual([]);
    expect(decodeJwt(answer.body.token).sub).toBe("");
    const login = await call(`${berth.url}/v2/auth`, { headers });
    expectError(login, 401, "UNAUTHORIZED");
    expect(login.headers.get("www-authenticate")).toBe(`Basic realm="${berth.url}/v2/auth", charset="UTF-8"`);
  });
});

describe("a login", () => {
  it("is a request without a scope, and gives a token for nothing", async () => {
    const answer = await ask(`account=acme%2Bci&service=${berth.host}`);
    expect(answer.status).toBe(200);
    expect(accessOf(answer)).toEqual([]);
    expect(decodeJwt(answer.body.token).sub).toBe("acme+ci");
  });

  it("reads a space in the user's name as the plus that it was", async () => {
    expect((await askRegistryToken(berth, "", ["acme ci", robotToken])).status).toBe(200);
  });

  it("takes a robot token without a name, which is containerd's form of an identity token", async () => {
    const answer = await askRegistryToken(berth, "", ["", robotToken]);
    expect(decodeJwt(answer.body.token).sub).toBe("acme+ci");
  });

  it.each<[string, string, () => Promise<string> | string, string, RegExp]>([
    ["a wrong password", "acme+ci", () => "hunter2", "credential_invalid", /no robot token/],
    ["an empty password", "acme+ci", () => "", "credential_invalid", /no robot token/],
    ["a password for an unknown robot", "acme+nobody", () => "hunter2", "credential_invalid", /no robot token/],
    ["another robot's token", "acme+other", () => robotToken, "credential_invalid", /another robot's/],
    ["the CI job's own token", "acme+ci", () => issuer.sign(berth.url), "credential_invalid", /no robot token/],
    ["the admin token", "acme+ci", () => berth.adminToken, "credential_invalid", /no robot token/],
    ["a registry token", "acme+ci", async () => (await ask("")).body.token, "credential_invalid", /no robot token/],
    ["an altered token", "acme+ci", () => `${robotToken.slice(0, -4)}AAAA`, "credential_invalid", /no robot token/],
    ["a user without a plus", "acme", () => robotToken, "credential_unreadable", /organization\+robot/],
    ["a wrong password alone", "", () => "hunter2", "credential_invalid", /no robot token/],
  ])("with %s is 401, says why, and leaves one record", async (_, user, password, code, told) => {
    const answer = await askRegistryToken(berth, "scope=repository:acme/app:pull", [user, await password()]);
    expect(expectError(answer, 401, "UNAUTHORIZED")).toMatch(told);
    expect(answer.headers.get("www-authenticate")).toMatch(/^Basic realm=/);
    const { body } = await berth.api("GET", `/logs?request_id=${answer.headers.get("x-request-id")}`);
    expect(body.logs).toHaveLength(1);
    expect(body.logs[0]).toMatchObject({ kind: "registry_token", outcome: "refused", code });
  });

  it.each(["Bearer x", "Basic !", "Basic", "Digest a=b"])("with the header %s is 401", async (authorization) => {
    for (const query of ["", "?scope=repository:acme/app:pull"]) {
      expectError(await call(`${berth.url}/v2/auth${query}`, { headers: { authorization } }), 401, "UNAUTHORIZED");
    }
  });

  it("with an expired robot token is 401 and says when it expired; until then a registry token is given its whole life", async () => {
    berth.clock.advance(3000);
    expect((await ask("")).body.expires_in).toBe(900);
    berth.clock.advance(600);
    expect(expectError(await ask(""), 401, "UNAUTHORIZED")).toMatch(/expired at \d{4}-/);
    berth.clock.advance(-3600);
  });
});
