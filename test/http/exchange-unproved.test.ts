import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { exchangeByForm, expectRefusal, expectRefusalRecord } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
let stranger: TestIssuer;

beforeAll(async () => {
  [berth, issuer, stranger] = await Promise.all([startBerth(), startIssuer(), startIssuer()]);
  const federation = [{ issuer: issuer.url, subject }];
  await berth.createRobot("acme+ci", { federation });
  await berth.createRobot("acme+disabled", { federation });
  await berth.api("PATCH", "/organization/acme/robots/disabled", { disabled: true });
  await berth.createRobot("acme+unbound", {});
  await berth.createRobot("acme+audit", { federation: [{ issuer: issuer.url, subject, mode: "audit" }] });
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close(), stranger.close()]);
});

const forge = async (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) => {
  const token = await issuer.sign(berth.url, claims, header);
  return `${token.slice(0, token.lastIndexOf("."))}.${"A".repeat(342)}`;
};

/** Each way to know nothing: the robot asked for, the token shown, and the code that the audit log alone is told. */
const cases: [string, string, () => Promise<string>, string][] = [
  ["an unknown robot", "acme+nobody", () => issuer.sign(berth.url), "robot_unknown"],
  ["an unknown organization", "nowhere+ci", () => issuer.sign(berth.url), "robot_unknown"],
  ["a disabled robot", "acme+disabled", () => issuer.sign(berth.url), "robot_disabled"],
  ["a robot that trusts nobody", "acme+unbound", () => issuer.sign(berth.url), "robot_unbound"],
  ["an issuer that the robot does not trust", "acme+ci", () => stranger.sign(berth.url), "issuer_unbound"],
  ["an issuer spelled otherwise", "acme+ci", () => issuer.sign(berth.url, { iss: `${issuer.url}/` }), "issuer_unbound"],
  ["a bad signature", "acme+ci", () => forge(), "signature_invalid"],
  ["a bad signature under an expired token", "acme+ci", () => forge({ exp: 1, iat: 0 }), "signature_invalid"],
  ["a bad signature for another audience", "acme+ci", () => forge({ aud: "x" }), "signature_invalid"],
  ["a bad signature for a robot in audit mode", "acme+audit", () => forge(), "signature_invalid"],
  ["a key that the issuer does not have", "acme+ci", () => issuer.sign(berth.url, {}, { kid: "other" }), "key_unknown"],
  ["an algorithm that the issuer does not use", "acme+ci", () => forge({}, { alg: "PS256" }), "alg_not_allowed"],
  ["an algorithm of another kind of key", "acme+ci", () => forge({}, { alg: "ES256" }), "key_unusable"],
];

/** All that a caller sees, but for what is another with each request. */
function seen({ status, headers, body }: ApiAnswer): unknown {
  const visible = [...headers].filter(([name]) => !["date", "x-request-id"].includes(name));
  return { status, headers: visible, body: JSON.stringify({ ...body, request_id: "" }) };
}

describe("who has proved nothing", () => {
  it.each(cases)("is told nothing of %s, and the audit log all of it", async (_, robot, token, code) => {
    const answer = await berth.exchange(robot, await token());
    expectRefusal(answer, 400, "token_refused");
    await expectRefusalRecord(berth, answer, code);
  });

  it("cannot tell one case from another, by either route", async () => {
    for (const exchange of [berth.exchange, exchangeByForm.bind(undefined, berth)]) {
      const answers: unknown[] = [];
      for (const [, robot, token] of cases) answers.push(seen(await exchange(robot, await token())));
      expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1);
    }
  });

  it("is not asked to wait for an issuer that the robot does not trust: nobody fetches its keys", () => {
    expect(stranger.requests).toEqual([]);
  });
});
