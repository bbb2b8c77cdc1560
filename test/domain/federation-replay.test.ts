import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type FederationEntry,
  type PlannedBinding,
  planFederation,
  type StoredBinding,
} from "../../src/domain/federation.ts";
import { makeStored, makeTerms } from "../support/terms.ts";

const pair = fc.record({
  issuer: fc.constantFrom("https://ci.example", "https://other.example"),
  subject: fc.constantFrom("p", "q"),
});
const terms = fc
  .record({
    pair,
    audiences: fc.constantFrom(null, ["a"], ["b"]),
    scope: fc.constantFrom(null, "repository:acme/*:pull"),
  })
  .map(({ pair: own, ...given }) => makeTerms({ ...own, ...given }));
const stored: fc.Arbitrary<StoredBinding[]> = fc
  .array(fc.tuple(terms, fc.constantFrom("i1", "i2")), { maxLength: 4 })
  .map((all) => all.map(([one, issuerId], index) => makeStored({ ...one, id: `stored-${index}`, issuerId })));

const quayEntry: fc.Arbitrary<FederationEntry> = pair;
const berthEntry: fc.Arbitrary<FederationEntry> = fc
  .record({
    terms,
    id: fc.constantFrom(undefined, undefined, "stored-0", "stored-1"),
    issuerId: fc.constantFrom(undefined, undefined, "i1", "i2"),
    description: fc.constantFrom(null, "x"),
  })
  .map(({ terms: own, id, issuerId, description }) => ({
    issuer: own.issuer,
    subject: own.subject,
    terms: own,
    description,
    ...(id !== undefined && { id }),
    ...(issuerId !== undefined && { issuerId }),
  }));
const list = (entry: fc.Arbitrary<FederationEntry>) => fc.array(entry, { maxLength: 5 });

/** What is stored once a plan is carried out, as the service carries it out; `undefined` where it refuses. */
function apply(before: readonly StoredBinding[], entries: readonly FederationEntry[]): StoredBinding[] | undefined {
  const plan = planFederation(before, entries);
  if (!plan.ok) return undefined;
  return plan.bindings.map((planned, index) => carryOut(planned, `made-${index}-${before.length}`));
}

function carryOut(planned: PlannedBinding, newId: string): StoredBinding {
  switch (planned.action) {
    case "keep":
      return planned.stored;
    case "replace": {
      const { terms: own, description } = planned.entry;
      const version = planned.stored.version + (planned.decides ? 1 : 0);
      const issuerId = planned.entry.issuerId ?? planned.stored.issuerId;
      return { ...own, id: planned.stored.id, issuerId, version, description };
    }
    case "create": {
      const { issuer, issuerId = "i1", subject, terms: own, description = null } = planned.entry;
      return { ...(own ?? makeTerms({ issuer, subject })), id: newId, issuerId, version: 1, description };
    }
  }
}

describe("a list that is sent again", () => {
  it.each([
    ["of Quay's entries", list(quayEntry)],
    ["of Berth's entries", list(berthEntry)],
    ["of both", list(fc.oneof(quayEntry, berthEntry))],
  ])("%s changes nothing", (_, entries) => {
    fc.assert(
      fc.property(stored, entries, (before, sent) => {
        const once = apply(before, sent);
        if (once) expect(apply(once, sent)).toEqual(once);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("any list that is accepted", () => {
  it("leaves each pair that it names with a binding, and no other pair", () => {
    fc.assert(
      fc.property(stored, list(fc.oneof(quayEntry, berthEntry)), (before, sent) => {
        const after = apply(before, sent);
        if (!after) return;
        const pairs = (all: readonly { issuer: string; subject: string }[]) =>
          [...new Set(all.map(({ issuer, subject }) => `${issuer} ${subject}`))].sort();
        expect(pairs(after)).toEqual(pairs(sent));
      }),
      { numRuns: 2000 },
    );
  });

  it("keeps or removes each stored binding, once", () => {
    fc.assert(
      fc.property(stored, list(fc.oneof(quayEntry, berthEntry)), (before, sent) => {
        const plan = planFederation(before, sent);
        if (!plan.ok) return;
        const ids = plan.bindings.flatMap((one) => (one.action === "create" ? [] : [one.stored.id]));
        expect([...ids, ...plan.removed.map(({ id }) => id)].sort()).toEqual(before.map(({ id }) => id).sort());
      }),
    );
  });

  it("leaves the bindings of a pair as they are where Quay's keys alone name it", () => {
    fc.assert(
      fc.property(stored, list(quayEntry), (before, sent) => {
        const after = apply(before, sent);
        if (!after) return;
        const named = before.filter((one) => sent.some((e) => e.issuer === one.issuer && e.subject === one.subject));
        expect(after.filter(({ id }) => id.startsWith("stored")).sort(byId)).toEqual(named.sort(byId));
      }),
    );
  });
});

function byId(one: StoredBinding, other: StoredBinding): number {
  return one.id < other.id ? -1 : 1;
}
