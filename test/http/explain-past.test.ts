import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { subject } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { expectProblem } from "../support/problems.ts";
import { expectRefusal } from "../support/refusals.ts";
import { createSigner, type Signer } from "../support/signer.ts";

let berth: TestBerth;
let signer: Signer;
const issuer = "https://ci.invalid";

beforeAll(async () => {
  berth = await startBerth();
  signer = await createSigner(issuer, "key", "ES256");
  await register(berth, issuer, { jwks: { keys: [signer.jwk] } });
});

afterAll(() => berth.remove());

const bound = (given: object = {}) => ({ issuer, subject, ...given });
const sign = (claims: object = {}) => signer.sign(berth.url, { ...claims });
const requestOf = (answer: ApiAnswer) => answer.headers.get("x-request-id");

type Robot = Awaited<ReturnType<typeof makeRobot>>;

const explainPast = ({ path }: Robot, requestId: string | null) =>
  berth.api("GET", `${path}/federation/explain/${requestId}`);

/** Exchanges a token, and has that exchange explained. */
async function explained(robot: Robot, token: string): Promise<{ exchanged: ApiAnswer; answer: ApiAnswer }> {
  const exchanged = await robot.exchange(token);
  return { exchanged, answer: await explainPast(robot, requestOf(exchanged)) };
}

function ruleOf({ body }: ApiAnswer, name: string, claim?: string) {
  return body.bindings[0].rules.find(
    (one: { rule: string; claim?: string }) => one.rule === name && one.claim === claim,
  );
}

describe("an exchange that was granted", () => {
  it("is explained by the record of it", async () => {
    const robot = await makeRobot(berth, bound({ mode: "audit" }), bound({ claims: { ref: { equals: "main" } } }));
    const { exchanged, answer } = await explained(robot, await sign({ ref: "main", secret: "hush" }));
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      granted: true,
      code: "granted",
      told: null,
      token_verified: true,
      request_id: requestOf(exchanged),
      datetime: expect.stringMatching(/Z$/),
      token: { issuer, subject, audience: [berth.url] },
      bindings: [
        { mode: "audit", matched: true, mints: false },
        { mode: "enforce", matched: true, mints: true },
      ],
    });
    const { rules } = answer.body.bindings[1];
    for (const { rule, passed } of rules) expect(passed, rule).toBe(true);
    expect(rules).toContainEqual({
      rule: "claim",
      claim: "ref",
      passed: true,
      expected: { equals: "main" },
      found: "main",
    });
    expect(JSON.stringify(answer.body)).not.toContain("hush");
  });
});

describe("an exchange that was refused", () => {
  it.each<[string, object, object, string, string, string]>([
    ["expired", {}, { iat: 1, nbf: 1, exp: 2 }, "expired", "expiration", "expired"],
    ["audience", {}, { aud: "other" }, "audience_mismatch", "audience", "audience_mismatch"],
    ["client", { clients: ["a"] }, { azp: "b" }, "client_mismatch", "client", "client_mismatch"],
    ["subject", {}, { sub: "other" }, "subject_mismatch", "subject", "subject_mismatch"],
    ["scope", { scope: "repository:acme/{p}:pull" }, { p: "NO" }, "scope_invalid", "scope", "scope_invalid"],
    ["another issuer", {}, { iss: `${issuer}/` }, "issuer_unbound", "issuer", "token_refused"],
  ])("for its %s is explained", async (_, given, claims, code, rule, told) => {
    const robot = await makeRobot(berth, bound(given));
    const { answer } = await explained(robot, await sign(claims));
    expect(answer).toMatchObject({ status: 200, body: { granted: false, code, told: { status: 400, code: told } } });
    expect(ruleOf(answer, rule)).toMatchObject({ passed: false, code });
    expect(answer.body.bindings[0]).toMatchObject({ matched: false, mints: false });
  });

  it("shows what was found in claims of bindings, and nothing of the others", async () => {
    const robot = await makeRobot(berth, bound({ claims: { ref: { equals: "main" } } }));
    const { answer } = await explained(robot, await sign({ ref: "feature", secret: "hush" }));
    expect(ruleOf(answer, "claim", "ref")).toMatchObject({ passed: false, found: "feature", code: "claim_mismatch" });
    expect(JSON.stringify(answer.body)).not.toContain("hush");
  });

  it("for a use before is explained, by the binding that would have minted", async () => {
    const once = "https://once.invalid";
    const { jwk, sign: signOnce } = await createSigner(once, "key", "ES256");
    await register(berth, once, { jwks: { keys: [jwk] }, replay_protection: true });
    const robot = await makeRobot(berth, { issuer: once, subject });
    const token = await signOnce(berth.url, { jti: "one" });
    expect((await robot.exchange(token)).status).toBe(200);
    const { answer } = await explained(robot, token);
    expect(answer.body).toMatchObject({ granted: false, code: "replayed", token_verified: true });
    expect(ruleOf(answer, "replay")).toMatchObject({ passed: false, found: "one", code: "replayed" });
    expect(answer.body.bindings).toMatchObject([{ matched: false, mints: false }]);
  });

  it("has no rule of a token that could not be read", async () => {
    const robot = await makeRobot(berth, bound());
    const { answer } = await explained(robot, "nonsense");
    expect(answer.body).toMatchObject({ code: "token_malformed", token: null, token_verified: false, bindings: [] });
  });

  it("says of a forgery that it was one, and not that its binding would take it", async () => {
    const robot = await makeRobot(berth, bound());
    const forged = `${(await sign()).split(".", 2).join(".")}.${Buffer.alloc(64).toString("base64url")}`;
    const { answer } = await explained(robot, forged);
    expect(answer.body).toMatchObject({ code: "signature_invalid", token_verified: false });
    expect(answer.body.bindings).toMatchObject([{ matched: false, mints: false }]);
  });
});

describe("a claim that was not kept", () => {
  it("is told as such when a binding asks for it later, and fails nothing", async () => {
    const robot = await makeRobot(berth, bound());
    const exchanged = await robot.exchange(await sign({ environment: "production", path: "acme/app" }));
    await robot.federate(bound({ claims: { environment: { equals: "production" }, absent: { equals: "x" } } }));
    const answer = await explainPast(robot, requestOf(exchanged));
    expect(ruleOf(answer, "claim", "environment")).toEqual({
      rule: "claim",
      claim: "environment",
      passed: null,
      expected: { equals: "production" },
      found: "not kept with the record",
    });
    expect(ruleOf(answer, "claim", "absent")).toMatchObject({ passed: false, found: null });
  });

  it("is told as such however many were not kept", async () => {
    const robot = await makeRobot(berth, bound());
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`claim${index}`, index]));
    const exchanged = await robot.exchange(await sign(many));
    await robot.federate(bound({ claims: { claim199: { equals: 199 } } }));
    expect(ruleOf(await explainPast(robot, requestOf(exchanged)), "claim", "claim199").passed).toBeNull();
  });

  it("is told as such where a scope asks for it later", async () => {
    const robot = await makeRobot(berth, bound());
    const exchanged = await robot.exchange(await sign({ project: "app" }));
    await robot.federate(bound({ scope: "repository:acme/{project}:pull" }));
    expect(ruleOf(await explainPast(robot, requestOf(exchanged)), "scope").passed).toBeNull();
  });

  it("is never one that says when the token was good, however long the others are", async () => {
    const robot = await makeRobot(berth, bound({ clients: ["runner"] }));
    const long = "x".repeat(990);
    const lengthy = { aud: ["a".repeat(480), "b".repeat(480)], azp: long, client_id: long, appid: long };
    const iat = Math.floor(Date.now() / 1000);
    const payload = JSON.stringify({ ...lengthy, jti: "j".repeat(99), iss: issuer, sub: subject, iat, exp: iat + 300 });
    const [header] = (await sign()).split(".");
    const token = [header, Buffer.from(payload).toString("base64url"), "AAAA"].join(".");
    const { exchanged, answer } = await explained(robot, token);
    expectRefusal(exchanged, 400, "token_refused");
    expect(answer.status).toBe(200);
    const [{ metadata }] = (await berth.api("GET", `/logs?request_id=${requestOf(exchanged)}`)).body.logs;
    expect(metadata.claims).toMatchObject({ iat, exp: iat + 300 });
  });
});

describe("an explanation of what happened", () => {
  it("is of the robot's own exchanges alone", async () => {
    const [robot, other] = [await makeRobot(berth, bound()), await makeRobot(berth, bound())];
    const exchanged = await robot.exchange(await sign());
    expect((await explainPast(robot, requestOf(exchanged))).status).toBe(200);
    expectProblem(await explainPast(other, requestOf(exchanged)), 404, "not_found");
    expectProblem(await explainPast(robot, "nobody's"), 404, "not_found");
    const management = await berth.api("GET", robot.path);
    expectProblem(await explainPast(robot, requestOf(management)), 404, "not_found");
  });

  it("is for who has an API token", async () => {
    const robot = await makeRobot(berth, bound());
    const exchanged = await robot.exchange(await sign());
    const url = `${berth.url}/api/v1${robot.path}/federation/explain/${requestOf(exchanged)}`;
    expectProblem(await call(url), 401, "unauthenticated");
  });

  it("leaves the decision as it was made, and shows the rules as they are now", async () => {
    const robot = await makeRobot(berth, bound());
    const exchanged = await robot.exchange(await sign());
    await robot.federate(bound({ audiences: ["other"] }));
    const { body } = await explainPast(robot, requestOf(exchanged));
    expect(body).toMatchObject({ granted: true, code: "granted" });
    expect(body.bindings).toMatchObject([{ version: 2, matched: false }]);
  });

  it("judges by the time of then", async () => {
    const robot = await makeRobot(berth, bound());
    const exchanged = await robot.exchange(await sign());
    berth.clock.advance(3600);
    expect(ruleOf(await explainPast(robot, requestOf(exchanged)), "expiration").passed).toBe(true);
    berth.clock.advance(-3600);
  });
});

describe("a binding in audit mode", () => {
  it("is recorded with what it would have decided, beside the decision", async () => {
    const robot = await makeRobot(
      berth,
      bound({ mode: "audit" }),
      bound({ mode: "audit", audiences: ["other"] }),
      bound({ claims: { ref: { equals: "main" } } }),
    );
    const [first, second, third] = await robot.bindings();
    for (const [ref, code, minting] of [
      ["main", "granted", third.id],
      ["feature", "claim_mismatch", undefined],
    ] as const) {
      const { exchanged, answer } = await explained(robot, await sign({ ref }));
      const [{ metadata }] = (await berth.api("GET", `/logs?request_id=${requestOf(exchanged)}`)).body.logs;
      expect(metadata.audited_bindings).toEqual([
        { id: first.id, matched: true },
        { id: second.id, matched: false },
      ]);
      expect(metadata.binding_id).toBe(minting);
      expect(answer.body).toMatchObject({
        code,
        bindings: [{ matched: true, mints: false }, { matched: false }, { mints: code === "granted" }],
      });
    }
  });

  it("says nothing of a token that was not verified", async () => {
    const robot = await makeRobot(berth, bound({ mode: "audit" }));
    const exchanged = await robot.exchange(await sign({ iat: 1, nbf: 1, exp: 2 }));
    const [{ metadata }] = (await berth.api("GET", `/logs?request_id=${requestOf(exchanged)}`)).body.logs;
    expect(metadata).not.toHaveProperty("audited_bindings");
  });
});
