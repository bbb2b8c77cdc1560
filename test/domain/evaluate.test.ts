import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Binding, Condition } from "../../src/domain/binding.ts";
import { compileBinding } from "../../src/domain/compiled-binding.ts";
import { type Decision, evaluate, type VerifiedClaims } from "../../src/domain/evaluate.ts";
import type { Json } from "../../src/domain/json.ts";
import { mainBranch, makeBinding, makeClaims } from "../support/terms.ts";

const defaults = { audiences: ["https://berth.example"], clients: [] };
const now = 1_800_000_000;

function judge(bindings: readonly Binding[], claims: VerifiedClaims = makeClaims(), given = defaults): Decision {
  return evaluate(bindings.map(compileBinding), claims, given, now);
}

/** The id of the binding that mints, or the code of the refusal. */
function outcome(decision: Decision): string {
  return decision.granted ? decision.outcome.binding.id : decision.refusal.code;
}

describe("a binding matches", () => {
  it("a token of its subject for the default audience", () => {
    expect(outcome(judge([makeBinding()]))).toBe("b1");
  });

  it.each([
    ["repo:acme/app:*", "repo:acme/app:ref:refs/heads/main"],
    ["repo:acme/*", "repo:acme/app:environment:prod"],
    ["repo:acme/*", "repo:acme/"],
  ])("by its subject %s the subject %s", (subject, sub) => {
    expect(outcome(judge([makeBinding({ subject })], makeClaims({}, { sub })))).toBe("b1");
  });

  it.each([
    ["repo:acme/app", "repo:acme/app:ref:refs/heads/main"],
    ["repo:acme/app", "repo:Acme/app"],
    ["repo:acme/app", "repo:acme/app "],
    ["repo:acme/*", "repo:acme-evil/app"],
    ["repo:acme/*", "xrepo:acme/app"],
    ["repo:acme/*", "REPO:acme/app"],
  ])("by its subject %s never the subject %s", (subject, sub) => {
    expect(judge([makeBinding({ subject })], makeClaims({}, { sub }))).toMatchObject({
      granted: false,
      refusal: { code: "subject_mismatch", expected: subject, found: sub },
    });
  });

  it("until it expires", () => {
    expect(outcome(judge([makeBinding({ expiresAt: now + 1 })]))).toBe("b1");
    expect(outcome(judge([makeBinding({ expiresAt: now })]))).toBe("binding_expired");
  });
});

describe("the audience", () => {
  it.each<[string, Partial<Binding>, typeof defaults, readonly string[], string]>([
    ["is the default where the binding names none", {}, defaults, ["x", "https://berth.example"], "b1"],
    ["is refused where it is another", {}, defaults, ["https://github.com/acme"], "audience_mismatch"],
    ["is refused where there is none", {}, defaults, [], "audience_mismatch"],
    ["is the binding's own where it names some", { audiences: ["a", "b"] }, defaults, ["b"], "b1"],
    ["is then no longer the default", { audiences: ["a"] }, defaults, ["https://berth.example"], "audience_mismatch"],
    ["is compared whole", { audiences: ["https://berth"] }, defaults, ["https://berth.example"], "audience_mismatch"],
    ["is refused where nobody is named at all", {}, { audiences: [], clients: [] }, ["a"], "audience_mismatch"],
  ])("%s", (_, given, fallback, aud, expected) => {
    expect(outcome(judge([makeBinding(given)], makeClaims({}, { aud }), fallback))).toBe(expected);
  });

  it("of the wrong kind is told with what was expected and what came", () => {
    const decision = judge([makeBinding()], makeClaims({}, { aud: ["https://github.com/acme"] }));
    expect(decision).toMatchObject({
      refusal: {
        code: "audience_mismatch",
        expected: ["https://berth.example"],
        found: ["https://github.com/acme"],
      },
    });
  });
});

describe("the client", () => {
  const clientOnly = { audiences: [], clients: ["ci"] };

  it.each(["azp", "client_id", "appid"])("is read from %s", (claim) => {
    expect(outcome(judge([makeBinding(clientOnly)], makeClaims({ [claim]: "ci" }, { aud: [] })))).toBe("b1");
  });

  it.each<[string, Partial<Binding>, Record<string, Json>, string]>([
    ["is refused where it is another", clientOnly, { azp: "other" }, "client_mismatch"],
    ["is refused where there is none", clientOnly, {}, "client_mismatch"],
    ["is refused where it is no text", { clients: ["1"] }, { azp: 1 }, "client_mismatch"],
    ["is demanded beside the audience", { audiences: ["a"], clients: ["ci"] }, { azp: "ci" }, "audience_mismatch"],
    ["is anyone's where the binding lists none", { clients: [] }, {}, "b1"],
  ])("%s", (_, given, payload, expected) => {
    expect(outcome(judge([makeBinding(given)], makeClaims(payload)))).toBe(expected);
  });

  it("is the default's where the binding names none", () => {
    const fallback = { audiences: ["https://berth.example"], clients: ["ci"] };
    const judged = (payload: Record<string, Json>) =>
      outcome(evaluate([compileBinding(makeBinding())], makeClaims(payload), fallback, now));
    expect(judged({ azp: "ci" })).toBe("b1");
    expect(judged({ azp: "other" })).toBe("client_mismatch");
  });
});

describe("a condition", () => {
  it.each<[Condition, Json]>([
    [{ equals: "main" }, "main"],
    [{ equals: 7 }, 7],
    [{ equals: false }, false],
    [{ in: ["push", 7] }, 7],
    [{ prefix: "refs/heads/" }, "refs/heads/main"],
    [{ contains: "admins" }, ["users", "admins"]],
    [{ contains: 7 }, [7]],
  ])("%j holds for %j", (condition, value) => {
    expect(outcome(judge([makeBinding({ claims: { claim: condition } })], makeClaims({ claim: value })))).toBe("b1");
  });

  it.each<[Condition, Json]>([
    [{ equals: "7" }, 7],
    [{ equals: 7 }, "7"],
    [{ equals: true }, "true"],
    [{ equals: "main" }, ["main"]],
    [{ equals: "main" }, "Main"],
    [{ in: ["7"] }, 7],
    [{ prefix: "refs/heads/" }, "refs/heads"],
    [{ prefix: "refs/heads/" }, ["refs/heads/main"]],
    [{ contains: "admins" }, "admins"],
    [{ contains: "admins" }, [["admins"]]],
    [{ contains: "7" }, [7]],
    [{ equals: "null" }, null],
  ])("%j does not hold for %j", (condition, value) => {
    const decision = judge([makeBinding({ claims: { claim: condition } })], makeClaims({ claim: value }));
    expect(decision).toMatchObject({
      refusal: { code: "claim_mismatch", claim: "claim", found: JSON.stringify(value) },
    });
  });

  it("never holds for a claim that is missing, inherited names among them", () => {
    const anyCondition: fc.Arbitrary<Condition> = fc.oneof(
      fc.record({ equals: fc.oneof(fc.string(), fc.integer(), fc.boolean()) }),
      fc.record({ in: fc.array(fc.oneof(fc.string(), fc.integer(), fc.boolean())) }),
      fc.record({ prefix: fc.string() }),
      fc.record({ contains: fc.string() }),
    );
    const missing = fc.constantFrom("claim", "toString", "constructor", "__proto__", "hasOwnProperty");
    fc.assert(
      fc.property(missing, anyCondition, (name, condition) => {
        const binding = makeBinding({ claims: Object.fromEntries([[name, condition]]) });
        expect(judge([binding])).toMatchObject({ refusal: { code: "claim_mismatch", claim: name, found: "nothing" } });
      }),
    );
  });

  it("is one of all: each must hold", () => {
    const binding = makeBinding({ claims: { ref: { equals: "main" }, event_name: { equals: "push" } } });
    expect(outcome(judge([binding], makeClaims({ ref: "main", event_name: "push" })))).toBe("b1");
    expect(judge([binding], makeClaims({ ref: "main", event_name: "pull_request" }))).toMatchObject({
      refusal: { claim: "event_name" },
    });
  });
});

describe("a binding's scope", () => {
  it("narrows, with the token's claims put in", () => {
    const decision = judge([makeBinding({ scope: "repository:acme/{project}:pull" })], makeClaims({ project: "app" }));
    expect(decision).toMatchObject({
      granted: true,
      outcome: { narrowed: { grants: [{ type: "repository", pattern: "acme/app", actions: ["pull"] }] } },
    });
  });

  it.each([undefined, "Team/App", "a".repeat(255)])(
    "refuses where a claim of %j makes no repository name",
    (project) => {
      const claims = makeClaims(project === undefined ? {} : { project });
      expect(outcome(judge([makeBinding({ scope: "repository:acme/{project}:pull" })], claims))).toBe("scope_invalid");
    },
  );

  it("that is absent narrows nothing", () => {
    const decision = judge([makeBinding()]);
    expect(decision.granted && decision.outcome.narrowed).toBeUndefined();
  });
});

describe("several bindings", () => {
  it("are tried in stored order, and the first that matches decides alone", () => {
    const first = makeBinding({ id: "first", scope: "repository:acme/app:pull" });
    const second = makeBinding({ id: "second" });
    expect(outcome(judge([first, second]))).toBe("first");
    expect(outcome(judge([second, first]))).toBe("second");
    expect(outcome(judge([makeBinding({ id: "other", subject: "other" }), second]))).toBe("second");
  });

  it("lend each other nothing", () => {
    const rightSubject = makeBinding({ id: "a", audiences: ["other"] });
    const rightAudience = makeBinding({ id: "b", subject: "other" });
    const rightBoth = makeBinding({ id: "c", claims: { ref: { equals: "release" } } });
    expect(judge([rightSubject, rightAudience, rightBoth], makeClaims({ ref: "main" })).granted).toBe(false);
  });

  it("never grant together what none of them grants alone", () => {
    const claimsOf = fc.record({ ref: fc.constantFrom("main", "dev"), env: fc.constantFrom("prod", "test") });
    const anyBinding = fc
      .record({
        audiences: fc.constantFrom(null, ["x"], ["https://berth.example"]),
        subject: fc.constantFrom(mainBranch, "repo:acme/*", "repo:acme/other"),
        ref: fc.constantFrom("main", "dev"),
        env: fc.constantFrom("prod", "test"),
        mode: fc.constantFrom("enforce" as const, "audit" as const),
        expiresAt: fc.constantFrom(null, now - 1, now + 1),
      })
      .map(({ ref, env, ...given }) =>
        makeBinding({ ...given, claims: { ref: { equals: ref }, env: { equals: env } } }),
      );
    fc.assert(
      fc.property(fc.array(anyBinding, { maxLength: 5 }), claimsOf, (bindings, payload) => {
        const claims = makeClaims(payload);
        const together = judge(bindings, claims);
        const alone = bindings.filter((binding) => judge([binding], claims).granted);
        expect(together.granted).toBe(alone.length > 0);
        if (together.granted) expect(together.outcome.binding).toBe(alone[0]);
      }),
    );
  });

  it("are refused by the rule that the one which got furthest failed, whatever their order", () => {
    const wrongAudience = makeBinding({ id: "a", audiences: ["other"] });
    const wrongSubject = makeBinding({ id: "b", subject: "other" });
    const wrongClaim = makeBinding({ id: "c", claims: { ref: { equals: "release" } } });
    const inOrder = [wrongAudience, wrongSubject, wrongClaim];
    const codes = ["audience_mismatch", "subject_mismatch", "claim_mismatch"];
    for (const [index, code] of codes.entries()) {
      const some = inOrder.slice(0, index + 1);
      expect(outcome(judge(some))).toBe(code);
      expect(outcome(judge(some.toReversed()))).toBe(code);
    }
  });

  it("count how far one got by its rules, not by how many conditions it has", () => {
    const manyConditions = makeBinding({
      id: "a",
      claims: { ref: { equals: "main" }, env: { equals: "prod" }, actor: { equals: "nobody" } },
    });
    const expired = makeBinding({ id: "b", expiresAt: now - 1 });
    expect(outcome(judge([manyConditions, expired], makeClaims({ ref: "main", env: "prod" })))).toBe("binding_expired");
  });
});

describe("a binding in audit mode", () => {
  const audit = makeBinding({ id: "audit", mode: "audit" });

  it("mints nothing, and says that it would have matched", () => {
    const decision = judge([audit]);
    expect(decision).toMatchObject({ granted: false, refusal: { code: "robot_unbound", auditOnly: true } });
    expect(decision.outcomes.map(({ matched }) => matched)).toEqual([true]);
  });

  it("stands in nobody's way", () => {
    expect(outcome(judge([audit, makeBinding({ id: "enforced" })]))).toBe("enforced");
  });

  it("is not what a refusal tells of", () => {
    expect(outcome(judge([audit, makeBinding({ audiences: ["other"] })]))).toBe("audience_mismatch");
  });
});

it("every rule of every binding is told, whether it passed or failed", () => {
  const binding = makeBinding({ subject: "other", audiences: ["other"], claims: { ref: { equals: "main" } } });
  const [told] = judge([binding], makeClaims({ ref: "main" })).outcomes;
  expect(told?.rules.map(({ rule, passed }) => [rule, passed])).toEqual([
    ["audience", false],
    ["client", true],
    ["subject", false],
    ["claim", true],
    ["binding_expiry", true],
    ["scope", true],
  ]);
});
