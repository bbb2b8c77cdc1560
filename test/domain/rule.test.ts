import { describe, expect, it } from "vitest";
import type { Refusal } from "../../src/domain/refusal.ts";
import { furthestRefusal, outcomeOf, type Rule, rules } from "../../src/domain/rule.ts";

const refusal = (kid: string): Refusal => ({ code: "key_unknown", kid });
const outcome = (rule: Rule, failure?: string) =>
  outcomeOf(rule, { expected: "a", found: "b" }, failure === undefined ? undefined : refusal(failure));

describe("a rule", () => {
  it("has passed where it refused nothing", () => {
    expect(outcome("subject")).toEqual({ rule: "subject", passed: true, expected: "a", found: "b" });
    expect(outcome("subject", "x")).toEqual({
      rule: "subject",
      passed: false,
      expected: "a",
      found: "b",
      refusal: refusal("x"),
    });
    expect(outcomeOf("claim", { claim: "ref", expected: 1, found: null }, undefined)).toMatchObject({ claim: "ref" });
  });

  it("has its place in the order in which a token is judged", () => {
    expect(rules).toEqual([
      ...["issuer", "algorithm", "key", "signature", "expiration", "not_before", "issued_at", "lifetime"],
      ...["audience", "client", "subject", "claim", "binding_expiry", "scope", "replay"],
    ]);
  });
});

describe("the refusal that is told", () => {
  it("is that of the rule furthest on, whatever the order", () => {
    for (const [index, near] of rules.entries()) {
      for (const far of rules.slice(index + 1)) {
        expect(furthestRefusal([outcome(near, "near"), outcome(far, "far")])).toEqual(refusal("far"));
        expect(furthestRefusal([outcome(far, "far"), outcome(near, "near")])).toEqual(refusal("far"));
      }
    }
  });

  it("is the first of those that got as far", () => {
    expect(furthestRefusal([outcome("claim", "first"), outcome("claim", "second")])).toEqual(refusal("first"));
  });

  it("is none of a rule that passed", () => {
    expect(furthestRefusal([outcome("issuer", "x"), outcome("replay")])).toEqual(refusal("x"));
    expect(furthestRefusal([outcome("issuer")])).toBeUndefined();
    expect(furthestRefusal([])).toBeUndefined();
  });
});
