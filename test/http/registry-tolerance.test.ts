import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";

let berth: TestBerth;
let authorization: string;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci", { grants: [{ repository: "acme/*", actions: ["pull"] }] });
  const { token } = (await berth.api("POST", "/organization/acme/robots/ci/regenerate", {})).body;
  authorization = basic("acme+ci", token);
});

afterAll(() => berth.remove());

const good = "repository:acme/app:pull";
const access = [{ type: "repository", name: "acme/app", actions: ["pull"] }];
const queryOf = (...scopes: string[]) => `?${new URLSearchParams(scopes.map((scope) => ["scope", scope]))}`;
const ask = (query: string, init: RequestInit = {}) =>
  call(`${berth.url}/v2/auth${query}`, { headers: { authorization }, ...init });

function expectGranted({ status, body }: ApiAnswer): void {
  expect(status, JSON.stringify(body)).toBe(200);
  expect(decodeJwt(body.token)).toMatchObject({ sub: "acme+ci", access });
}

describe("a good scope is granted", () => {
  // As clients of other token servers ask.
  it.each([
    "artifact-repository:acme/x:pull",
    "artifact_repository:acme/x:pull",
    "repository:acme/app:pull,metadata_read",
    "repository:acme/app:metadata_read",
    "repository:acme/app:",
    "repository::pull",
  ])("beside %s, in whichever order, in one parameter or two", async (strange) => {
    expectGranted(await ask(queryOf(good, strange)));
    expectGranted(await ask(queryOf(strange, good)));
    expectGranted(await ask(queryOf(`${strange} ${good}`)));
  });

  it.each(["client_id=curl", "account=acme%2Bci&client_id=curl", "access_type=online"])(
    "when it is in the query, and Basic comes with a form of %s alone",
    async (body) => {
      const headers = { authorization, "content-type": "application/x-www-form-urlencoded" };
      expectGranted(await ask(`${queryOf(good)}&service=${berth.host}`, { method: "POST", headers, body }));
    },
  );

  it("when one is in the query and another in the form, with both", async () => {
    const headers = { authorization, "content-type": "application/x-www-form-urlencoded" };
    const body = new URLSearchParams({ scope: "repository:acme/lib:pull" });
    const answer = await ask(queryOf(good), { method: "POST", headers, body });
    expect(decodeJwt(answer.body.token).access).toHaveLength(2);
  });
});

it("a form with a grant_type says all itself: no scope of the query is granted", async () => {
  const [username = "", password = ""] = Buffer.from(authorization.slice(6), "base64").toString().split(":");
  const body = new URLSearchParams({ grant_type: "password", username, password, service: berth.host });
  const answer = await call(`${berth.url}/v2/auth${queryOf(good)}`, { method: "POST", body });
  expect(answer.status).toBe(200);
  expect(decodeJwt(answer.body.token).access).toEqual([]);
});
