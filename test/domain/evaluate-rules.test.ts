import { describe, expect, it } from "vitest";
import type { Binding } from "../../src/domain/binding.ts";
import { compileBinding } from "../../src/domain/compiled-binding.ts";
import { type Defaults, evaluate, type VerifiedClaims } from "../../src/domain/evaluate.ts";
import { presets } from "../../src/domain/preset-data.ts";
import type { RuleOutcome } from "../../src/domain/rule.ts";
import { mainBranch, makeBinding, makeClaims } from "../support/terms.ts";

const now = 1_800_000_000;
const defaults: Defaults = { audiences: ["https://berth.example"], clients: [] };

/** What is told of every rule of a binding. */
function rulesOf(given: Partial<Binding>, claims: VerifiedClaims, fallback = defaults): readonly RuleOutcome[] {
  return evaluate([compileBinding(makeBinding(given))], claims, fallback, now).outcomes[0]?.rules ?? [];
}

const passed = { passed: true };
const failed = (refusal: object) => ({ passed: false, refusal });

describe("of a binding is told", () => {
  it("every rule, in order, where it asks for nothing of its own", () => {
    expect(rulesOf({}, makeClaims())).toEqual([
      { rule: "audience", ...passed, expected: ["https://berth.example"], found: ["https://berth.example"] },
      { rule: "client", ...passed, expected: "any", found: [] },
      { rule: "subject", ...passed, expected: mainBranch, found: mainBranch },
      { rule: "binding_expiry", ...passed, expected: "at any time", found: "2027-01-15T08:00:00.000Z" },
      { rule: "scope", ...passed, expected: "any", found: null },
    ]);
  });

  const ref = { ref: { equals: "main" } };
  const scope = "repository:acme/{app}:pull";

  it.each<[string, Partial<Binding>, VerifiedClaims, object]>([
    [
      "an audience that is another's",
      { audiences: ["a"] },
      makeClaims({}, { aud: ["b"] }),
      {
        rule: "audience",
        expected: ["a"],
        found: ["b"],
        ...failed({ code: "audience_mismatch", expected: ["a"], found: ["b"] }),
      },
    ],
    [
      "an audience that only the client decides",
      { audiences: [], clients: ["ci"] },
      makeClaims({ azp: "ci" }, { aud: ["b"] }),
      { rule: "audience", expected: "any: the client decides", found: ["b"], ...passed },
    ],
    [
      "the client, of all claims that name one",
      { clients: ["ci"] },
      makeClaims({ azp: "ci", client_id: 7, appid: "app" }),
      { rule: "client", expected: ["ci"], found: ["ci", "app"], ...passed },
    ],
    [
      "a client that is another",
      { clients: ["ci"] },
      makeClaims({ azp: 7 }),
      {
        rule: "client",
        expected: ["ci"],
        found: [],
        ...failed({ code: "client_mismatch", expected: ["ci"], found: [] }),
      },
    ],
    [
      "a condition that holds",
      { claims: ref },
      makeClaims({ ref: "main" }),
      { rule: "claim", claim: "ref", expected: ref.ref, found: "main", ...passed },
    ],
    [
      "a condition on a claim that is not there",
      { claims: ref },
      makeClaims(),
      {
        rule: "claim",
        claim: "ref",
        expected: ref.ref,
        found: null,
        ...failed({ code: "claim_mismatch", claim: "ref", expected: '{"equals":"main"}', found: "nothing" }),
      },
    ],
    [
      "when it ends",
      { expiresAt: now + 60 },
      makeClaims(),
      {
        rule: "binding_expiry",
        expected: "before 2027-01-15T08:01:00.000Z",
        found: "2027-01-15T08:00:00.000Z",
        ...passed,
      },
    ],
    [
      "that it has ended",
      { expiresAt: now },
      makeClaims(),
      {
        rule: "binding_expiry",
        expected: "before 2027-01-15T08:00:00.000Z",
        found: "2027-01-15T08:00:00.000Z",
        ...failed({ code: "binding_expired", at: now, now }),
      },
    ],
    [
      "its scope, with the token's claims put in",
      { scope },
      makeClaims({ app: "web" }),
      { rule: "scope", expected: scope, found: "repository:acme/web:pull", ...passed },
    ],
    [
      "a scope that a claim cannot be put in",
      { scope },
      makeClaims({ app: "*" }),
      {
        rule: "scope",
        expected: scope,
        found: "the claim app is no repository name",
        ...failed({ code: "scope_invalid", scope, detail: "the claim app is no repository name" }),
      },
    ],
    [
      "a scope that is no repository's",
      { scope: "repository:ACME:pull" },
      makeClaims(),
      {
        rule: "scope",
        expected: "repository:ACME:pull",
        found: "repository:ACME:pull is no repository's scope",
        ...failed({
          code: "scope_invalid",
          scope: "repository:ACME:pull",
          detail: "repository:ACME:pull is no repository's scope",
        }),
      },
    ],
  ])("%s", (_, given, claims, told) => {
    expect(rulesOf(given, claims)).toContainEqual(told);
  });

  const preset = presets.find(({ guarded }) => guarded?.claim === "event_name");

  it.each<[string, string | undefined, boolean]>([
    ["not there", undefined, true],
    ["harmless", "push", true],
    ["one that must be named", "workflow_run", false],
  ])("what its issuer's preset demands, where the value is %s", (_, value, holds) => {
    const claims = makeClaims(value === undefined ? {} : { event_name: value });
    const told = rulesOf({}, claims, { ...defaults, preset }).filter(({ rule }) => rule === "claim");
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      claim: "event_name",
      expected: { not_in: ["pull_request_target", "workflow_run"] },
      found: value ?? null,
      passed: holds,
    });
  });
});
