import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { compact, goodHeader, goodPayload } from "../support/compact.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { expectRefusal, expectRefusalRecord, recordsOf } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
const seconds = () => Math.floor(Date.now() / 1000);

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  const bind = (given: object = {}) => [{ issuer: issuer.url, subject, ...given }];
  await berth.createRobot("acme+ci", { federation: bind() });
  await berth.createRobot("acme+main-only", { federation: bind({ claims: { ref: { equals: "refs/heads/main" } } }) });
  await berth.createRobot("acme+client", { federation: bind({ audiences: [], clients: ["runner"] }) });
  await berth.createRobot("acme+past", { federation: bind({ expires_at: "2020-01-01T00:00:00Z" }) });
  await berth.createRobot("acme+by-project", { federation: bind({ scope: "repository:acme/{project}:pull" }) });
});

afterAll(async () => {
  const { body } = await berth.api("GET", "/logs?kind=federated_robot_token_exchange&outcome=success");
  expect(body.logs).toEqual([]);
  await Promise.all([berth.remove(), issuer.close()]);
});

describe("a credential that cannot be read", () => {
  const exchange = (authorization?: string) =>
    call(`${berth.url}/oauth2/federation/robot/token`, {
      headers: authorization === undefined ? {} : { authorization },
    });

  it("is 401 where there is none", async () => {
    const answer = await exchange();
    expectRefusal(answer, 401, "credential_missing");
    expect(answer.headers.get("www-authenticate")).toMatch(/^Basic /);
    expect(await recordsOf(berth, answer)).toMatchObject([{ code: "credential_missing", robot: null }]);
  });

  it.each([
    ["another scheme", "Bearer abc"],
    ["nothing behind the scheme", "Basic"],
    ["no base64", "Basic !!!!"],
    ["base64 of one character too many", "Basic YTpiY"],
    ["no colon", `Basic ${Buffer.from("acme+ci").toString("base64")}`],
    ["no UTF-8", `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString("base64")}`],
    ["a user without a plus", basic("acme", "token")],
    ["a user with two", basic("acme+ci+x", "token")],
    ["a user in upper case", basic("ACME+CI", "token")],
    ["no user", basic("", "token")],
    ["a byte order mark", basic("\ufeffacme+ci", "token")],
  ])("is 401 where it has %s", async (_, authorization) => {
    const answer = await exchange(authorization);
    expectRefusal(answer, 401, "credential_unreadable");
    expect(await recordsOf(berth, answer)).toMatchObject([{ code: "credential_unreadable", robot: null }]);
  });
});

describe("a token that is none", () => {
  it.each<[string, string, string]>([
    ["is a password", "hunter2", "token_malformed"],
    ["has other parts than three", "a.b", "token_malformed"],
    ["has padding", "e30=.e30=.c2ln", "token_malformed"],
    ["is over 16 KiB", compact(goodHeader, { ...goodPayload, x: "x".repeat(13_000) }), "token_too_large"],
    ["has a header over 2 KiB", compact({ ...goodHeader, x: "x".repeat(2048) }, goodPayload), "token_too_large"],
    ["says a thing twice", compact('{"alg":"RS256","alg":"none","kid":"k"}', goodPayload), "token_json_invalid"],
    ["is unsigned", compact({ alg: "none", kid: "k" }, goodPayload), "alg_not_allowed"],
    ["is signed with a shared secret", compact({ ...goodHeader, alg: "HS256" }, goodPayload), "alg_not_allowed"],
    ["is encrypted", compact({ ...goodHeader, enc: "A256GCM" }, goodPayload), "header_not_allowed"],
    ["demands an extension", compact({ ...goodHeader, crit: ["x"] }, goodPayload), "header_not_allowed"],
    ["is a logout token", compact({ ...goodHeader, typ: "logout+jwt" }, goodPayload), "header_not_allowed"],
    ["names no key", compact({ alg: "RS256" }, goodPayload), "kid_missing"],
    ["has no subject", compact(goodHeader, { ...goodPayload, sub: undefined }), "claim_invalid"],
    ["never ends", compact(goodHeader, { ...goodPayload, exp: undefined }), "claim_invalid"],
  ])("is 400 and says so where it %s", async (_, token, code) => {
    const answer = await berth.exchange("acme+ci", token);
    expectRefusal(answer, 400, code);
    const record = await expectRefusalRecord(berth, answer, code);
    expect(record).toMatchObject({ organization: "acme", robot: "acme+ci", metadata: { token_verified: false } });
  });
});

describe("a token that its issuer signed", () => {
  it.each<[string, string, () => Record<string, unknown>, string, RegExp]>([
    [
      "that has expired",
      "acme+ci",
      () => ({ iat: seconds() - 400, nbf: undefined, exp: seconds() - 100 }),
      "expired",
      /expired at \d{4}-/,
    ],
    ["that is not good yet", "acme+ci", () => ({ nbf: seconds() + 100 }), "not_yet_valid", /\(nbf\)/],
    ["from the future", "acme+ci", () => ({ iat: seconds() + 100, nbf: undefined }), "issued_in_future", /\(iat\)/],
    ["that lives for two days", "acme+ci", () => ({ exp: seconds() + 172_800 }), "lifetime_too_long", /at most 86400/],
    [
      "for another audience",
      "acme+ci",
      () => ({ aud: "https://else.example" }),
      "audience_mismatch",
      /"https:\/\/else\.example"/,
    ],
    ["for nobody", "acme+ci", () => ({ aud: undefined }), "audience_mismatch", /names no audience/],
    [
      "of another subject",
      "acme+ci",
      () => ({ sub: "repo:acme/app:pull_request" }),
      "subject_mismatch",
      /"repo:acme\/app:pull_request"/,
    ],
    [
      "of another branch",
      "acme+main-only",
      () => ({ ref: "refs/heads/dev" }),
      "claim_mismatch",
      /ref is "refs\/heads\/dev"/,
    ],
    ["of no branch", "acme+main-only", () => ({}), "claim_mismatch", /ref is nothing/],
    ["of another client", "acme+client", () => ({ azp: "laptop" }), "client_mismatch", /"laptop"/],
    ["for a binding that has expired", "acme+past", () => ({}), "binding_expired", /2020-01-01/],
    ["whose claim makes no repository", "acme+by-project", () => ({ project: "../x" }), "scope_invalid", /project/],
  ])("%s is 400, and is told which rule failed with which value", async (_, robot, claims, code, told) => {
    const answer = await berth.exchange(robot, await issuer.sign(berth.url, claims()));
    expectRefusal(answer, 400, code);
    expect(answer.body.message).toMatch(told);
    const record = await expectRefusalRecord(berth, answer, code);
    expect(record).toMatchObject({
      organization: "acme",
      robot,
      ip: "127.0.0.1",
      metadata: { issuer: issuer.url, reason: { code } },
    });
  });

  it("for GitHub's default audience is told that it is the owner's URL, and what to ask for", async () => {
    const answer = await berth.exchange("acme+ci", await issuer.sign("https://github.com/acme"));
    expectRefusal(answer, 400, "audience_mismatch");
    expect(answer.body.message).toContain('"https://github.com/acme"');
    expect(answer.body.message).toContain("GitHub");
    expect(answer.body.message).toContain(berth.url);
  });

  it("is recorded as verified only where it was", async () => {
    const verified = await berth.exchange("acme+ci", await issuer.sign("https://else.example"));
    expect((await recordsOf(berth, verified))[0].metadata.token_verified).toBe(true);
    const forged = await berth.exchange("acme+ci", compact(goodHeader, { ...goodPayload, iss: issuer.url }));
    expect((await recordsOf(berth, forged))[0].metadata.token_verified).toBe(false);
  });
});

describe("an organization's audiences and clients", () => {
  it("stand in for the service's where a binding names none", async () => {
    await berth.createRobot("guild+ci", { federation: [{ issuer: issuer.url, subject: "guild" }] });
    await berth.api("PATCH", "/organization/guild", { audiences: ["guild-registry"], clients: ["runner"] });
    const foreign = await berth.exchange("guild+ci", await issuer.sign(berth.url, { sub: "guild", azp: "runner" }));
    expectRefusal(foreign, 400, "audience_mismatch");
    expect(foreign.body.message).toContain('"guild-registry"');
    const stray = await berth.exchange(
      "guild+ci",
      await issuer.sign("guild-registry", { sub: "guild", azp: "laptop" }),
    );
    expectRefusal(stray, 400, "client_mismatch");
  });
});
