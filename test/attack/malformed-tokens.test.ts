import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";
import { audiences, scopes, units } from "./cases/bindings.ts";
import { claims, times } from "./cases/claims.ts";
import { conditions, owners, subjects } from "./cases/conditions.ts";
import { algorithms, headers } from "./cases/header.ts";
import { issuers } from "./cases/issuers.ts";
import { json } from "./cases/json.ts";
import { keys } from "./cases/keys.ts";
import { shape } from "./cases/shape.ts";
import { type KeySet, makeKeySet } from "./key-set.ts";
import { type Case, type Change, makeToken } from "./malformed-token.ts";
import { federationOf, openRobots, type RobotName, robots } from "./robots.ts";

const rules: Readonly<Record<string, readonly Case[]>> = {
  "1, shape": shape,
  "2, JSON": json,
  "2, claims": claims,
  "3, algorithm": algorithms,
  "4, header": headers,
  "5, keys": keys,
  "6, issuer": issuers,
  "7, audience or client": audiences,
  "8, binding": units,
  "9, subject": subjects,
  "10, shared issuers": owners,
  "11, conditions": conditions,
  "12, time": times,
  "the scope that a binding leaves": scopes,
};

/** Told alike, so that nobody learns from them which robots exist and whom they trust. */
const untold = ["issuer_unbound", "key_unknown", "key_unusable", "signature_invalid"];
const tellsNothing = ([, , code, facts]: Case) =>
  untold.includes(code) || facts?.by === "issuer" || (code === "robot_unbound" && facts?.auditOnly === false);

let berth: TestBerth;
let issuer: TestIssuer;
let github: TestIssuer;
let keySet: KeySet;

beforeAll(async () => {
  keySet = makeKeySet();
  [berth, issuer, github] = await Promise.all([startBerth(), startIssuer(), startIssuer()]);
  for (const one of [issuer, github]) {
    one.answer("/jwks", (_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: keySet.published }));
    });
  }
  await berth.api("POST", "/issuers", { issuer: github.url, preset: "github-actions" });
  for (const name of Object.keys(robots) as RobotName[]) {
    await berth.createRobot(name, { federation: federationOf(name, issuerOf(name).url) });
  }
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close(), github.close()]);
});

function issuerOf(robot: RobotName): TestIssuer {
  return robots[robot].preset ? github : issuer;
}

function show({ robot = "acme+ci", ...change }: Change) {
  const world = { issuer: issuerOf(robot).url, berth: berth.url, now: Math.floor(berth.clock.now() / 1000) };
  return berth.exchange(robot, makeToken({ robot, ...change }, keySet, world));
}

describe("a token that nothing was done to", () => {
  it.each(openRobots)("opens %s, so that what follows is refused for what was done", async (robot) => {
    expect((await show({ robot })).status).toBe(200);
  });

  it.each<[string, Change]>([
    ["its other key", { header: { alg: "ES256", kid: "good-ec" } }],
    ["no typ", { header: { typ: undefined } }],
    ["every parameter that brings a key", { header: { jwk: {}, jku: "x", x5u: "x", x5c: [] } }],
    ["no nbf and no jti", { claims: { nbf: undefined, jti: undefined } }],
    ["white space in its JSON", { payloadText: (text) => `\n${text.replaceAll(",", " ,\t")}\r ` }],
    ["a header of 2 KiB", { headerText: (text) => text.padEnd(2048) }],
    ["another subject under the wildcard", { robot: "acme+wild", claims: { sub: "repo:acme/web:pull_request" } }],
    ["an event that its binding asks for", { robot: "acme+opted", claims: { event_name: "pull_request_target" } }],
    ["two's binding", { robot: "acme+one-or-two", claims: { sub: "two", aud: "for-two", ref: "two" } }],
  ])("is good with %s", async (_, change) => {
    expect((await show(change)).status).toBe(200);
  });
});

describe.each(Object.entries(rules))("a well-signed token against rule %s", (_, cases) => {
  it.each(cases)("is refused for %s", async (...one) => {
    const [, change, code, facts] = one as unknown as Case;
    const answer = await show(change);
    expectRefusal(answer, 400, tellsNothing(one as unknown as Case) ? "token_refused" : code);
    const record = await expectRefusalRecord(berth, answer, code);
    expect(record.metadata.reason).toMatchObject({ code, ...facts });
    expect(record.metadata).not.toHaveProperty("robot_token_jti");
  });
});

describe("the cases", () => {
  it("are at least 300, and no two are the same", () => {
    const titles = Object.entries(rules).flatMap(([rule, cases]) => cases.map(([title]) => `${rule}: ${title}`));
    expect(titles.length).toBeGreaterThanOrEqual(300);
    expect(new Set(titles).size).toBe(titles.length);
  });
});

describe("Berth's own robot token", () => {
  it("is no external token", async () => {
    const { body } = await show({});
    const answer = await berth.exchange("acme+ci", body.token);
    expectRefusal(answer, 400, "header_not_allowed");
    await expectRefusalRecord(berth, answer, "header_not_allowed");
  });
});
