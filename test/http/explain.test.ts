import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { subject } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { expectProblem } from "../support/problems.ts";
import { createSigner, type Signer } from "../support/signer.ts";

let berth: TestBerth;
let signer: Signer;
let github: Signer;
const issuer = "https://ci.invalid";
const githubIssuer = "https://github.invalid";

beforeAll(async () => {
  berth = await startBerth();
  [signer, github] = await Promise.all([createSigner(issuer, "key", "ES256"), createSigner(githubIssuer)]);
  await register(berth, issuer, { jwks: { keys: [signer.jwk] } });
  await register(berth, githubIssuer, { jwks: { keys: [github.jwk] }, preset: "github-actions" });
});

afterAll(() => berth.remove());

const bound = (given: object = {}) => ({ issuer, subject, ...given });
const boundToGithub = (given: object = {}) => ({ issuer: githubIssuer, subject, ...given });
const sign = (claims: object = {}, header: object = {}) => signer.sign(berth.url, { ...claims }, { ...header });
const signGithub = (claims: object = {}) => github.sign(berth.url, { jti: randomUUID(), ...claims });

interface Rule {
  readonly rule: string;
  readonly passed: boolean | null;
  readonly claim?: string;
  readonly expected: unknown;
  readonly found: unknown;
  readonly code?: string;
}

const rulesOf = ({ body }: ApiAnswer, binding = 0): Rule[] => body.bindings[binding].rules;
const failed = (answer: ApiAnswer, binding = 0) => rulesOf(answer, binding).filter(({ passed }) => passed === false);

const order = [
  ...["issuer", "algorithm", "key", "signature", "expiration", "not_before", "issued_at", "lifetime"],
  ...["audience", "client", "subject", "binding_expiry", "scope"],
];

describe("a token that is good", () => {
  it("is explained rule by rule, in their order, with what each wants and what it found", async () => {
    const robot = await makeRobot(berth, bound());
    const [{ id, issuer_id }] = await robot.bindings();
    const answer = await robot.explain(await sign());
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      granted: true,
      code: "granted",
      told: null,
      token_verified: true,
      token: { issuer, subject, audience: [berth.url] },
      bindings: [{ id, version: 1, issuer, issuer_id, subject, mode: "enforce", matched: true, mints: true }],
    });
    expect(rulesOf(answer).map(({ rule }) => rule)).toEqual(order);
    for (const { passed } of rulesOf(answer)) expect(passed).toBe(true);
    expect(rulesOf(answer)).toEqual(
      expect.arrayContaining([
        { rule: "issuer", passed: true, expected: issuer, found: issuer },
        { rule: "algorithm", passed: true, expected: ["RS256", "ES256"], found: "ES256" },
        { rule: "audience", passed: true, expected: [berth.url], found: [berth.url] },
        { rule: "subject", passed: true, expected: subject, found: subject },
      ]),
    );
  });

  it("mints by its first binding that matches and is enforced, and says how the others fare", async () => {
    const robot = await makeRobot(
      berth,
      bound({ mode: "audit" }),
      bound({ audiences: ["other"] }),
      bound({ clients: [] }),
      bound({ claims: { ref: { equals: "main" } } }),
      { issuer: githubIssuer, subject },
    );
    const answer = await robot.explain(await sign({ ref: "main" }));
    expect(answer.body.bindings).toMatchObject([
      { mode: "audit", matched: true, mints: false },
      { matched: false, mints: false },
      { matched: true, mints: true },
      { matched: true, mints: false },
      { matched: false, mints: false },
    ]);
    expect(failed(answer, 1).map(({ code }) => code)).toEqual(["audience_mismatch"]);
    expect(rulesOf(answer, 4).slice(0, 2)).toMatchObject([
      { rule: "issuer", passed: false, expected: githubIssuer, found: issuer, code: "issuer_unbound" },
      { rule: "algorithm", passed: null },
    ]);
  });

  it("is not used: nothing is minted, stored, counted or logged", async () => {
    const robot = await makeRobot(berth, boundToGithub({ claims: { event_name: { equals: "push" } } }));
    const token = await signGithub({ event_name: "push" });
    const before = (await berth.api("GET", "/logs")).body;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { status, body } = await robot.explain(token);
      expect(status).toBe(200);
      expect(body).toMatchObject({ granted: true, bindings: [{ mints: true }] });
      expect(JSON.stringify(body)).not.toMatch(/eyJ|[\w-]+\.[\w-]{20,}\.[\w-]{20,}/);
    }
    expect((await berth.api("GET", "/logs")).body).toEqual(before);
    expect(await robot.bindings()).toMatchObject([{ use_count: 0, last_used: null }]);
    expect((await berth.api("GET", robot.path)).body.last_accessed).toBeNull();
    expect((await robot.exchange(token)).status).toBe(200);
    const replayed = await robot.explain(token);
    expect(replayed.body).toMatchObject({ granted: false, code: "replayed", bindings: [{ mints: false }] });
    expect(failed(replayed)).toMatchObject([{ rule: "replay", expected: "a jti that is new", code: "replayed" }]);
    const log = berth.log.join("\n");
    for (const part of token.split(".").slice(1)) expect(log).not.toContain(part);
  });
});

describe("an explanation", () => {
  it("is for who has an API token: the OIDC token opens nothing", async () => {
    const robot = await makeRobot(berth, bound());
    const token = await sign();
    for (const authorization of [undefined, `Bearer ${token}`, "Bearer nonsense"]) {
      const answer = await call(`${berth.url}/api/v1${robot.path}/federation/explain`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(authorization && { authorization }) },
        body: JSON.stringify({ token }),
      });
      expectProblem(answer, 401, "unauthenticated");
    }
  });

  it("is of a robot that there is", async () => {
    const answer = await berth.api("POST", "/organization/acme/robots/nobody/federation/explain", { token: "x" });
    expectProblem(answer, 404, "not_found");
  });

  it.each([{}, { token: "" }, { token: 1 }, { token: "x", more: 1 }, { token: "x".repeat(70_000) }])(
    "is asked for with a token and nothing else",
    async (body) => {
      const robot = await makeRobot(berth);
      expectProblem(await berth.api("POST", `${robot.path}/federation/explain`, body), 400, "invalid");
    },
  );

  it("of a token past all bounds is an explanation too", async () => {
    const robot = await makeRobot(berth, bound());
    for (const token of ["x".repeat(60_000), "a.b.c.d", "\t", "e30.e30.e30"]) {
      expect(await robot.explain(token), token.slice(0, 9)).toMatchObject({ status: 200, body: { granted: false } });
    }
  });
});
