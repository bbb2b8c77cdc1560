import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { subject } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
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

/** What is explained, what an exchange would be told, and the rules that failed for the first binding. */
type Case = readonly [
  title: string,
  federation: () => readonly object[],
  token: () => string | Promise<string>,
  code: string,
  told: readonly [status: number, code: string],
  rules: readonly string[],
];

const forge = async () => `${(await sign()).split(".", 2).join(".")}.${Buffer.alloc(64).toString("base64url")}`;
const now = () => Math.floor(berth.clock.now() / 1000);
const unproved = [400, "token_refused"] as const;

const refusals: readonly Case[] = [
  ["text that is no token", () => [bound()], () => "nonsense", "token_malformed", [400, "token_malformed"], []],
  [
    "a header that is not allowed",
    () => [bound()],
    () => sign({}, { typ: "logout+jwt" }),
    "header_not_allowed",
    [400, "header_not_allowed"],
    [],
  ],
  [
    "an issuer with a slash more",
    () => [bound()],
    () => sign({ iss: `${issuer}/` }),
    "issuer_unbound",
    unproved,
    ["issuer"],
  ],
  [
    "an issuer that is down",
    () => [{ issuer: "https://down.invalid", subject }],
    () => sign({ iss: "https://down.invalid" }),
    "issuer_unreachable",
    [503, "issuer_unreachable"],
    ["key"],
  ],
  ["no binding at all", () => [], () => sign(), "robot_unbound", unproved, []],
  [
    "an algorithm that is not the issuer's",
    () => [bound()],
    async () => (await createSigner(issuer, "key", "ES384")).sign(berth.url),
    "alg_not_allowed",
    unproved,
    ["algorithm"],
  ],
  ["an unknown key", () => [bound()], () => sign({}, { kid: "other" }), "key_unknown", unproved, ["key"]],
  ["a forged signature", () => [bound()], forge, "signature_invalid", unproved, ["signature"]],
  [
    "a token that expired",
    () => [bound()],
    () => sign({ iat: now() - 900, nbf: now() - 900, exp: now() - 600 }),
    "expired",
    [400, "expired"],
    ["expiration"],
  ],
  [
    "a token of tomorrow",
    () => [bound()],
    () => sign({ iat: now() + 86_400, nbf: now() + 86_400, exp: now() + 86_500 }),
    "not_yet_valid",
    [400, "not_yet_valid"],
    ["not_before", "issued_at"],
  ],
  [
    "a token for two days",
    () => [bound()],
    () => sign({ exp: now() + 172_800 }),
    "lifetime_too_long",
    [400, "lifetime_too_long"],
    ["lifetime"],
  ],
  [
    "another audience",
    () => [bound()],
    () => sign({ aud: "https://github.com/acme" }),
    "audience_mismatch",
    [400, "audience_mismatch"],
    ["audience"],
  ],
  [
    "another client",
    () => [bound({ audiences: [], clients: ["runner"] })],
    () => sign({ azp: "other" }),
    "client_mismatch",
    [400, "client_mismatch"],
    ["client"],
  ],
  [
    "another subject",
    () => [bound()],
    () => sign({ sub: "x" }),
    "subject_mismatch",
    [400, "subject_mismatch"],
    ["subject"],
  ],
  [
    "a claim of another value",
    () => [bound({ claims: { ref: { equals: "main" }, run: { in: [1, 2] } } })],
    () => sign({ ref: "main", run: "1" }),
    "claim_mismatch",
    [400, "claim_mismatch"],
    ["claim"],
  ],
  [
    "a guarded event",
    () => [boundToGithub()],
    () => signGithub({ event_name: "pull_request_target" }),
    "claim_mismatch",
    [400, "claim_mismatch"],
    ["claim"],
  ],
  [
    "a binding that expired",
    () => [bound({ expires_at: "2020-01-01T00:00:00Z" })],
    () => sign(),
    "binding_expired",
    [400, "binding_expired"],
    ["binding_expiry"],
  ],
  [
    "a scope that the claims spoil",
    () => [bound({ scope: "repository:acme/{project}:pull" })],
    () => sign({ project: "No/Name" }),
    "scope_invalid",
    [400, "scope_invalid"],
    ["scope"],
  ],
  [
    "a jti that is missing",
    () => [boundToGithub()],
    () => signGithub({ jti: undefined }),
    "claim_invalid",
    [400, "claim_invalid"],
    ["replay"],
  ],
  ["audit mode alone", () => [bound({ mode: "audit" })], () => sign(), "robot_unbound", [400, "robot_unbound"], []],
];

describe("a token that would be refused", () => {
  it.each(refusals)("for %s is explained as the exchange decides", async (_, federation, token, code, told, rules) => {
    const robot = await makeRobot(berth, ...federation());
    const compact = await token();
    const answer = await robot.explain(compact);
    expect(answer.status).toBe(200);
    const [status, toldCode] = told;
    expect(answer.body).toMatchObject({
      granted: false,
      code,
      message: expect.stringMatching(/^[A-Z].*\.$/s),
      told: { status, code: toldCode, message: expect.any(String) },
    });
    for (const { mints } of answer.body.bindings) expect(mints).toBe(false);
    const failures = answer.body.bindings.length > 0 ? failed(answer) : [];
    expect(failures.map(({ rule }) => rule)).toEqual(rules);

    expect(berth.log.join("\n")).not.toContain(compact.split(".")[1] ?? compact);

    const exchanged = await robot.exchange(compact);
    expect([exchanged.status, exchanged.body.code]).toEqual(told);
    const { logs } = (await berth.api("GET", `/logs?request_id=${exchanged.headers.get("x-request-id")}`)).body;
    expect(logs).toMatchObject([{ code, metadata: { token_verified: answer.body.token_verified } }]);
  });

  it("shows each condition by its claim", async () => {
    const claims = { ref: { equals: "main" }, run: { in: [1, 2] }, gone: { prefix: "a/" } };
    const robot = await makeRobot(berth, bound({ claims }));
    const answer = await robot.explain(await sign({ ref: "main", run: "1" }));
    expect(rulesOf(answer).filter(({ rule }) => rule === "claim")).toMatchObject([
      { claim: "ref", passed: true, expected: { equals: "main" }, found: "main" },
      { claim: "run", passed: false, expected: { in: [1, 2] }, found: "1", code: "claim_mismatch" },
      { claim: "gone", passed: false, expected: { prefix: "a/" }, found: null, code: "claim_mismatch" },
    ]);
  });

  it("says more to who edits the robot than to who exchanges: a disabled robot, a disabled issuer", async () => {
    const robot = await makeRobot(berth, bound());
    await berth.api("PATCH", robot.path, { disabled: true });
    expect((await robot.explain(await sign())).body).toMatchObject({
      code: "robot_disabled",
      told: { code: "token_refused" },
      bindings: [{ mints: false, matched: false }],
    });
    const other = await createSigner("https://off.invalid", "key", "ES256");
    await register(berth, "https://off.invalid", { jwks: { keys: [other.jwk] }, disabled: true });
    const bindingOff = await makeRobot(berth, { issuer: "https://off.invalid", subject });
    const answer = await bindingOff.explain(await other.sign(berth.url));
    expect(answer.body).toMatchObject({ code: "issuer_disabled", told: { code: "token_refused" } });
    expect(failed(answer)).toMatchObject([{ rule: "issuer", code: "issuer_disabled" }]);
  });
});
