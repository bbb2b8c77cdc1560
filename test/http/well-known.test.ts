import { createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([
    startBerth({ environment: { BERTH_AUDIENCE: "https://berth.example, second" } }),
    startIssuer(),
  ]);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

it.each(["openid-configuration", "oauth-authorization-server"])(
  "%s tells where to go and what audience to ask for",
  async (name) => {
    const { status, body } = await call(`${berth.url}/.well-known/${name}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      issuer: berth.url,
      token_endpoint: `${berth.url}/oauth2/token`,
      jwks_uri: `${berth.url}/.well-known/jwks.json`,
      grant_types_supported: ["urn:ietf:params:oauth:grant-type:token-exchange"],
      berth_audience: "https://berth.example",
    });
  },
);

it("the audience that is told is taken, and the others too, but not the service's own address", async () => {
  const status = async (audience: string) => (await berth.exchange("acme+ci", await issuer.sign(audience))).status;
  expect(await status("https://berth.example")).toBe(200);
  expect(await status("second")).toBe(200);
  expect(await status(berth.url)).toBe(400);
});

it("the keys verify a robot token, and show no private half", async () => {
  const { body } = await call(`${berth.url}/.well-known/jwks.json`);
  for (const key of body.keys) {
    expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
  }
  const { token } = (await berth.exchange("acme+ci", await issuer.sign("second"))).body;
  const { payload } = await jwtVerify(token, createLocalJWKSet(body), { issuer: berth.url, typ: "berth-robot+jwt" });
  expect(payload.sub).toBe("acme+ci");
});
