import { SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { compact } from "../support/compact.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { type OtherServer, startOtherServer } from "../support/other-server.ts";

const SERVICE = "old.example";
const AUDIENCE = "https://audience.example";
const PASSWORD = "a person's password";
let berth: TestBerth;
let issuer: TestIssuer;
let other: OtherServer;

beforeAll(async () => {
  [berth, issuer, other] = await Promise.all([
    startBerth({ environment: { BERTH_AUDIENCE: AUDIENCE } }),
    startIssuer(),
    startOtherServer(),
  ]);
  const issuedAs = { issuer: "The token server before", refresh_tokens: true };
  const settings = { service: SERVICE, fallback_realm: other.realm, ...issuedAs };
  expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
  const robotToken = (await berth.exchange("acme+ci", await issuer.sign(AUDIENCE))).body.token;
  const issued = await call(`${berth.url}/v2/auth?service=${SERVICE}&offline_token=true`, {
    headers: { authorization: basic("acme+ci", robotToken) },
  });
  const staticToken = (await berth.api("POST", "/organization/acme/robots/ci/regenerate", {})).body.token;
  const given: Record<string, string> = {
    "a robot token": robotToken,
    "a robot token with a blank behind it": `${robotToken} `,
    "a robot token as it stands in a header": `Bearer ${robotToken}`,
    "a refresh token": issued.body.refresh_token,
    "a registry token": issued.body.token,
    "a static token": staticToken,
    "a static token with a blank behind it": `${staticToken} `,
    "a static token with a newline behind it": `${staticToken}\n`,
    "a static token inside other text": `docker login -p ${staticToken} old.example`,
    "an OIDC token for PUBLIC_URL": await issuer.sign(berth.url),
    "an OIDC token for an audience of BERTH_AUDIENCE": await issuer.sign(AUDIENCE),
    "an OIDC token for several audiences": await issuer.sign("", { aud: ["https://else.example", AUDIENCE] }),
    "an API token": berth.adminToken,
    "an API token with a newline behind it": `${berth.adminToken}\n`,
  };
  for (const [kind, credential] of Object.entries(given)) {
    expect(credential, kind).toEqual(expect.any(String));
    credentials.set(kind, credential);
  }
});

beforeEach(() => {
  other.asked.length = 0;
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close(), other.close()]);
});

const credentials = new Map<string, string>();
const kinds = [
  "a robot token",
  "a robot token with a blank behind it",
  "a robot token as it stands in a header",
  "a refresh token",
  "a registry token",
  "a static token",
  "a static token with a blank behind it",
  "a static token with a newline behind it",
  "a static token inside other text",
  "an OIDC token for PUBLIC_URL",
  "an OIDC token for an audience of BERTH_AUDIENCE",
  "an OIDC token for several audiences",
  "an API token",
  "an API token with a newline behind it",
];
/** A token that says itself whose it is needs no name. */
const goodAlone = ["a robot token", "a refresh token", "a static token"];

const byBasic = (username: string, password: string) =>
  call(`${berth.url}/v2/auth?service=${SERVICE}`, { headers: { authorization: basic(username, password) } });
const byForm = (form: Record<string, string>) =>
  call(`${berth.url}/v2/auth`, { method: "POST", body: new URLSearchParams({ service: SERVICE, ...form }) });

function expectRefusedHere({ status, headers, body }: ApiAnswer): void {
  expect(status, JSON.stringify(body)).toBe(401);
  expect(headers.get("www-authenticate")).toContain(`realm="${berth.url}/v2/auth"`);
  expect(body).toEqual({
    errors: [{ code: "UNAUTHORIZED", message: expect.any(String), detail: { request_id: expect.any(String) } }],
  });
}

describe.each(kinds)("%s", (kind) => {
  it.each(["ci", "anna", "acme%2Bci", "admin"])(
    "behind the name %s is refused here and handed to nobody",
    async (name) => {
      const credential = credentials.get(kind) ?? "";
      expectRefusedHere(await byBasic(name, credential));
      expectRefusedHere(await byForm({ grant_type: "password", username: name, password: credential }));
      expect(other.asked).toEqual([]);
    },
  );

  it("without a name is answered here and handed to nobody", async () => {
    const credential = credentials.get(kind) ?? "";
    for (const answer of [
      await byForm({ grant_type: "refresh_token", refresh_token: credential }),
      await byBasic("", credential),
    ]) {
      if (goodAlone.includes(kind)) expect(answer).toMatchObject({ status: 200, body: { token: expect.any(String) } });
      else expectRefusedHere(answer);
    }
    expect(other.asked).toEqual([]);
  });
});

it.each(["acme+ci", "acme ci", "acme%2Bci", "acme%2bci", "+", "anna+test"])(
  "a name that is a robot's, however it is written, is asked for nowhere else: %j",
  async (name) => {
    expectRefusedHere(await byBasic(name, PASSWORD));
    expectRefusedHere(await byForm({ grant_type: "password", username: name, password: PASSWORD }));
    expect(other.asked).toEqual([]);
  },
);

describe("what is not Berth's", () => {
  it("is handed on: a person's password, and another service's token", async () => {
    const foreign = [PASSWORD, await issuer.sign("https://else.example"), `${PASSWORD} berth`];
    for (const credential of foreign) {
      expect(await byBasic("anna", credential)).toMatchObject({ status: 200, body: "{}" });
      expect((await byForm({ grant_type: "refresh_token", refresh_token: credential })).status).toBe(200);
    }
    expect(other.asked).toHaveLength(6);
  });

  it.each<[string, unknown]>([
    ["a number", 7],
    ["null", null],
    ["a list", ["berth-robot+jwt"]],
    ["an object", {}],
  ])("is no 500 when its typ is %s", async (_, typ) => {
    const token = compact({ alg: "ES256", typ }, { sub: "anna" });
    expect((await byBasic("anna", token)).status).toBeLessThan(500);
    expect((await byForm({ grant_type: "refresh_token", refresh_token: token })).status).toBeLessThan(500);
  });

  it("is no 500 when what it says of itself is of another kind than it should be", async () => {
    for (const payload of [{ iss: 1, aud: {} }, { aud: [[berth.url]] }, { aud: null }, [], 7, "text"]) {
      expect((await byBasic("anna", compact({ alg: "none" }, payload))).status).toBeLessThan(500);
    }
    const unsigned = await new SignJWT({ aud: berth.url })
      .setProtectedHeader({ alg: "HS256" })
      .sign(new Uint8Array(32));
    other.asked.length = 0;
    expectRefusedHere(await byBasic("anna", unsigned));
    expect(other.asked).toEqual([]);
  });
});
