import { describe, expect, it } from "vitest";
import { type BindingTerms, bindingProblems, bindingWarnings, sameTerms } from "../../src/domain/binding.ts";
import { mainBranch, makeTerms } from "../support/terms.ts";

const rules = { publicUrl: "https://berth.example", allowInsecure: false, maxTokenTtl: 3600 };

function problemPaths(given: Partial<BindingTerms>): string[] {
  return bindingProblems(makeTerms(given), rules).map(({ path }) => path.join("."));
}

describe("a binding", () => {
  it("needs an issuer and a subject, and nothing else", () => {
    expect(problemPaths({})).toEqual([]);
  });

  it("tells every problem at once", () => {
    const given: Partial<BindingTerms> = {
      issuer: "http://ci.example",
      subject: "",
      audiences: [],
      claims: { ref: { in: [] }, env: { equals: "" } },
      tokenTtl: 1,
      scope: "repository",
    };
    expect(problemPaths(given)).toEqual([
      "issuer",
      "subject",
      "audiences",
      "claims.ref",
      "claims.env",
      "token_ttl",
      "scope",
    ]);
  });

  it("must say who a token was meant for: no audience will do only where a client is named", () => {
    expect(problemPaths({ audiences: [] })).toEqual(["audiences"]);
    expect(problemPaths({ audiences: [], clients: [] })).toEqual(["audiences"]);
    expect(problemPaths({ audiences: [], clients: ["ci"] })).toEqual([]);
  });

  it.each([60, 900, 3600])("may let its robot tokens live %d seconds", (tokenTtl) => {
    expect(problemPaths({ tokenTtl })).toEqual([]);
  });

  it.each([0, -1, 59, 3601, Number.NaN])("may not let its robot tokens live %d seconds", (tokenTtl) => {
    expect(problemPaths({ tokenTtl })).toEqual(["token_ttl"]);
  });

  it("warns of the audience that every Keycloak token has, unless a client is named", () => {
    expect(bindingWarnings(makeTerms({ audiences: ["account"] }))).toEqual([
      expect.stringMatching(/^The audience "account" .* name the client in "clients"\.$/),
    ]);
    expect(bindingWarnings(makeTerms({ audiences: ["account"], clients: ["ci"] }))).toEqual([]);
    expect(bindingWarnings(makeTerms())).toEqual([]);
  });
});

describe("a binding's subject", () => {
  it.each([
    mainBranch,
    "repo:acme/app:*",
    "repo:acme/*",
    "repo:acme@12/app@345:ref:refs/heads/main",
    "{4f2d}%2F:x",
    "a".repeat(600),
  ])("may be %s", (subject) => {
    expect(problemPaths({ subject })).toEqual([]);
  });

  it.each([
    ["empty", ""],
    ["a wildcard alone", "*"],
    ["a wildcard behind a delimiter alone", ":*"],
    ["a wildcard behind a letter", "repo:acme*"],
    ["a wildcard in the middle", "repo:*:ref:refs/heads/main"],
    ["two wildcards together", "repo:acme/**"],
    ["a wildcard in the middle and one at the end", "repo:*:ref/*"],
    ["a control character", "repo:acme\u0000"],
    ["half of a surrogate pair", "repo:acme\ud800"],
    ["601 characters", "a".repeat(601)],
  ])("may not be %s", (_, subject) => {
    expect(problemPaths({ subject })).toEqual(["subject"]);
  });
});

describe("a binding's condition on a claim", () => {
  it.each([
    { equals: "main" },
    { equals: 0 },
    { equals: false },
    { equals: Number.MAX_SAFE_INTEGER },
    { equals: "9007199254740993" },
    { in: ["push", 1, true] },
    { prefix: "refs/heads/" },
    { prefix: "env:" },
    { contains: "admins" },
  ])("may be %j", (condition) => {
    expect(problemPaths({ claims: { claim: condition } })).toEqual([]);
  });

  it.each([
    { equals: "" },
    { in: [] },
    { in: ["push", ""] },
    { equals: 2 ** 53 },
    { in: [1, -(2 ** 60)] },
    { contains: "" },
    { prefix: "" },
    { prefix: "refs" },
    { prefix: "café" },
  ])("may not be %j", (condition) => {
    expect(problemPaths({ claims: { claim: condition } })).toEqual(["claims.claim"]);
  });
});

describe("a binding's scope", () => {
  it.each([
    "repository:acme/app:pull,push",
    "repository:acme/*:pull repository:acme/app:*",
    "repository:acme/{project_path}:pull,push",
    "repository:{namespace}/*:pull",
    "repository:acme/{https://claims.example/team}:pull",
    "registry:catalog:*",
  ])("may be %s", (scope) => {
    expect(problemPaths({ scope })).toEqual([]);
  });

  it.each([
    "pull",
    "repository:acme/app:admin",
    "repository:acme/app:{action}",
    "{type}:acme/app:pull",
    "{whole}",
    "repository:{name}*:pull",
    "registry:{name}:*",
    "repository:acme/{:pull",
    "repository:acme/{}:pull",
    "repository:acme/{a{b}}:pull",
  ])("may not be %s", (scope) => {
    expect(problemPaths({ scope })).toEqual(["scope"]);
  });
});

describe("two sets of terms", () => {
  it("decide alike whatever order their claims were written in", () => {
    const one = makeTerms({ claims: { a: { equals: 1 }, b: { equals: 2 } } });
    expect(sameTerms(one, makeTerms({ claims: { b: { equals: 2 }, a: { equals: 1 } } }))).toBe(true);
  });

  it("decide alike where one has no conditions and the other an empty set of them", () => {
    expect(sameTerms(makeTerms({ claims: null }), makeTerms({ claims: {} }))).toBe(true);
  });

  it.each<Partial<BindingTerms>>([
    { issuer: "https://other.example" },
    { subject: "repo:acme/app:*" },
    { audiences: ["a"] },
    { clients: [] },
    { claims: { a: { equals: "1" } } },
    { tokenTtl: 60 },
    { scope: "" },
    { mode: "audit" },
    { expiresAt: 1 },
  ])("do not decide alike where one has %j", (given) => {
    expect(sameTerms(makeTerms(), makeTerms(given))).toBe(false);
  });

  it("do not decide alike where a condition's value has another type", () => {
    const one = makeTerms({ claims: { a: { equals: 1 } } });
    expect(sameTerms(one, makeTerms({ claims: { a: { equals: "1" } } }))).toBe(false);
  });
});
