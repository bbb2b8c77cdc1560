import { describe, expect, it } from "vitest";
import {
  type FederationEntry,
  type FederationPlan,
  planFederation,
  type StoredBinding,
} from "../../src/domain/federation.ts";
import { makeStored, makeTerms } from "../support/terms.ts";

const P = { issuer: "https://ci.example", subject: "p" };
const Q = { issuer: "https://ci.example", subject: "q" };
const a = makeStored({ ...P, id: "a" });
const b = makeStored({ ...P, id: "b", audiences: ["b"] });
const q = makeStored({ ...Q, id: "q" });

const more = (pair: typeof P, given: Partial<FederationEntry["terms"]> = {}, id?: string): FederationEntry => ({
  ...pair,
  terms: makeTerms({ ...pair, ...given }),
  description: null,
  ...(id !== undefined && { id }),
});

/** A plan in short: `keep a`, `replace a`, `touch a` (where nothing that decides changes), `create p`, `remove a`. */
function tell(plan: FederationPlan): string[] | string {
  if (!plan.ok) return `${plan.conflict} at ${plan.index}`;
  const planned = plan.bindings.map((one) => {
    if (one.action === "create") return `create ${one.entry.subject}`;
    if (one.action === "keep") return `keep ${one.stored.id}`;
    return `${one.decides ? "replace" : "touch"} ${one.stored.id}`;
  });
  return [...planned, ...plan.removed.map(({ id }) => `remove ${id}`)];
}

describe("an entry with Quay's keys alone", () => {
  it.each<[string, StoredBinding[], FederationEntry[], string[]]>([
    ["makes the binding that is not there", [], [P], ["create p"]],
    ["leaves the one that is there as it is", [b], [P], ["keep b"]],
    ["leaves every one of its pair as it is", [a, b], [P], ["keep a", "keep b"]],
    ["leaves one of another subject to go", [a, q], [P], ["keep a", "remove q"]],
    ["leaves one of another issuer to go", [a], [{ ...P, issuer: "https://ci.example/" }], ["create p", "remove a"]],
    ["leaves one of another case to go", [a], [{ ...P, subject: "P" }], ["create P", "remove a"]],
  ])("%s", (_, stored, entries, expected) => {
    expect(tell(planFederation(stored, entries))).toEqual(expected);
  });
});

describe("an entry with more keys", () => {
  it.each<[string, StoredBinding[], FederationEntry[], string[] | string]>([
    ["makes the binding that is not there", [], [more(P)], ["create p"]],
    ["replaces the one that is there", [a], [more(P, { audiences: ["x"] })], ["replace a"]],
    ["strips the conditions that it does not repeat", [b], [more(P)], ["replace b"]],
    ["keeps the one that is the same already", [b], [more(P, { audiences: ["b"] })], ["keep b"]],
    ["is ambiguous where there are several", [a, b], [more(P, { audiences: ["x"] })], "ambiguous at 0"],
    ["picks the same one of several", [a, b], [more(P, { audiences: ["b"] })], ["keep b", "remove a"]],
    ["replaces the one that it names", [a, b], [more(P, { audiences: ["x"] }, "b")], ["replace b", "remove a"]],
    ["may move the one that it names to another pair", [a], [more(Q, {}, "a")], ["replace a"]],
    ["may not name one that is not there", [a], [more(P, {}, "z")], "unknown_id at 0"],
    ["may not name one that is named already", [a], [more(P, {}, "a"), more(Q, {}, "a")], "unknown_id at 1"],
    ["changes nothing that decides with a description", [a], [{ ...more(P), description: "main branch" }], ["touch a"]],
  ])("%s", (_, stored, entries, expected) => {
    expect(tell(planFederation(stored, entries))).toEqual(expected);
  });
});

describe("a list", () => {
  it("clears when it is empty", () => {
    expect(tell(planFederation([a, q], []))).toEqual(["remove a", "remove q"]);
  });

  it("keeps its own order", () => {
    expect(tell(planFederation([a, q], [Q, P]))).toEqual(["keep q", "keep a"]);
  });

  it.each<[string, FederationEntry[]]>([
    ["Quay's keys alone", [P, Q, { ...P }]],
    ["more keys", [more(P), Q, more(P)]],
    [
      "conditions in another order",
      [
        more(P, { claims: { ref: { equals: "main" }, env: { equals: "prod" } } }),
        Q,
        more(P, { claims: { env: { equals: "prod" }, ref: { equals: "main" } } }),
      ],
    ],
  ])("may not repeat an entry of %s exactly", (_, entries) => {
    expect(tell(planFederation([], entries))).toBe("repeated at 2");
  });

  it("may have several bindings of one pair that differ", () => {
    expect(tell(planFederation([], [more(P), more(P, { audiences: ["b"] })]))).toEqual(["create p", "create p"]);
  });

  it("has a binding of every pair that it names", () => {
    expect(tell(planFederation([a], [more(Q, {}, "a"), P]))).toEqual(["replace a", "create p"]);
  });
});
