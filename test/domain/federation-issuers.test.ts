import { describe, expect, it } from "vitest";
import { type FederationEntry, planFederation } from "../../src/domain/federation.ts";
import { makeStored, makeTerms } from "../support/terms.ts";

const pair = { issuer: "https://ci.example", subject: "p" };
const first = makeStored({ ...pair, id: "first", issuerId: "i1" });
const second = makeStored({ ...pair, id: "second", issuerId: "i2" });
const terms = makeTerms(pair);
const otherTerms = makeTerms({ ...pair, audiences: ["x"] });

function plan(...entries: Omit<FederationEntry, "issuer" | "subject">[]) {
  const planned = planFederation(
    [first, second],
    entries.map((entry) => ({ ...pair, description: null, ...entry })),
  );
  if (!planned.ok) return `${planned.conflict} at ${planned.index}`;
  const told = planned.bindings.map((one) => {
    if (one.action === "create") return "create";
    return one.action === "keep" ? `keep ${one.stored.id}` : `replace ${one.stored.id}: ${one.decides}`;
  });
  return [...told, ...planned.removed.map(({ id }) => `remove ${id}`)].join(", ");
}

describe("of two issuers that share their string, an entry", () => {
  it("may mean both, or one alone", () => {
    expect(plan({})).toBe("keep first, keep second");
    expect(plan({ issuerId: "i2" })).toBe("keep second, remove first");
    expect(plan({ issuerId: "i3" })).toBe("create, remove first, remove second");
  });

  it("replaces the binding of the one that it means", () => {
    expect(plan({ issuerId: "i2", terms: otherTerms })).toBe("replace second: true, remove first");
    expect(plan({ terms: otherTerms })).toBe("ambiguous at 0");
  });

  it("may move a binding to the other, which decides", () => {
    expect(plan({ id: "first", issuerId: "i2", terms }, { id: "second", terms })).toBe(
      "replace first: true, keep second",
    );
  });

  it("makes one more where all that are there are named", () => {
    expect(plan({ id: "first", terms }, { id: "second", terms }, { terms: otherTerms })).toBe(
      "keep first, keep second, create",
    );
  });

  it("may leave what others do not name, and not what another changes", () => {
    expect(plan({}, { id: "second", terms: otherTerms })).toBe("keep first, replace second: true");
    expect(plan({}, { terms: otherTerms })).toBe("contradictory at 0");
    expect(plan({ issuerId: "i1" }, { issuerId: "i2", terms: otherTerms })).toBe("keep first, replace second: true");
  });
});
