import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Condition } from "../../src/domain/binding.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { keepClaims } from "../../src/domain/kept-claims.ts";
import { presetOf } from "../../src/domain/presets.ts";
import { limits } from "../../src/limits.ts";
import { github } from "../support/terms.ts";

const registered = { iss: "i", sub: "s", aud: "a", exp: 2, iat: 1, nbf: 1, jti: "j" };
const binding = (claims: Record<string, Condition> | null, scope: string | null = null) => ({ claims, scope });

describe("of a token's claims", () => {
  it("the registered ones and those that name a client are kept, and the names of the others", () => {
    const clients = { azp: "a", client_id: "b", appid: "c" };
    expect(keepClaims({ ...registered, ...clients, email: "e", name: "n" }, [], [])).toEqual({
      claims: { ...registered, ...clients },
      leftOut: ["email", "name"],
    });
  });

  it("those that a binding has a condition on are kept, of every binding", () => {
    const payload = { ...registered, ref: "main", run: 7, other: true };
    const bindings = [binding({ ref: { equals: "main" } }), binding({ run: { in: [1] }, absent: { equals: 1 } })];
    expect(keepClaims(payload, bindings, [])).toEqual({
      claims: { ...registered, ref: "main", run: 7 },
      leftOut: ["other"],
    });
  });

  it("those that a binding's scope names are kept", () => {
    const scope = "repository:acme/{project}:pull repository:{team}/x:pull";
    const { claims, leftOut } = keepClaims({ project: "a", team: "b", scope: "c" }, [binding(null, scope)], []);
    expect(claims).toEqual({ project: "a", team: "b" });
    expect(leftOut).toEqual(["scope"]);
  });

  it("those that the preset knows to be nobody's own are kept, and no actor", () => {
    const payload = { repository: "acme/app", event_name: "push", actor: "somebody", actor_id: "1" };
    expect(keepClaims(payload, [], [undefined, presetOf(github)])).toEqual({
      claims: { repository: "acme/app", event_name: "push" },
      leftOut: ["actor", "actor_id"],
    });
  });

  it("one that is too long is left out, and the others are not", () => {
    const room = limits.audit.claim - "ref".length - 2;
    const keep = (length: number) =>
      keepClaims({ ref: "r".repeat(length), sub: "s" }, [binding({ ref: { equals: "x" } })], []);
    expect(keep(room).leftOut).toEqual([]);
    expect(keep(room + 1)).toEqual({ claims: { sub: "s" }, leftOut: ["ref"] });
  });

  it("the times are kept, however long the others are and wherever they stand", () => {
    const long = "x".repeat(1000);
    const { exp, iat, nbf } = registered;
    for (let length = 0; length < 100; length += 1) {
      const others = { azp: long, client_id: long, appid: long, aud: long, jti: "j".repeat(length) };
      expect(keepClaims({ ...others, exp, iat, nbf }, [], []).claims, `${length}`).toMatchObject({ exp, iat, nbf });
    }
  });

  it("one that is called as what objects inherit is kept as a claim and nothing else", () => {
    const payload: JsonObject = JSON.parse('{"__proto__": {"sub": "forged"}, "constructor": 1, "toString": 2}');
    const names = JSON.parse('{"__proto__": {"equals": 1}, "constructor": {"equals": 1}}');
    const { claims, leftOut } = keepClaims(payload, [binding(names)], []);
    expect(Object.keys(claims)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(claims)).toBe(Object.prototype);
    expect(leftOut).toEqual(["toString"]);
  });

  it("never more is kept than there is room for, each as it was, and all the others are named", () => {
    const value = fc.oneof(fc.string({ maxLength: 1500 }), fc.integer(), fc.array(fc.string({ maxLength: 300 })));
    const name = fc.oneof(fc.constantFrom("sub", "aud", "ref", "exp"), fc.string({ maxLength: 20 }));
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 40 }), (payload) => {
        const { claims, leftOut } = keepClaims(payload, [binding({ ref: { equals: "x" } })], []);
        const kept = Object.entries(claims);
        const size = kept.reduce((sum, [key, one]) => sum + key.length + JSON.stringify(one).length, 0);
        expect(size).toBeLessThanOrEqual(limits.audit.claims);
        for (const [key, one] of kept) expect(one).toBe(payload[key]);
        expect([...Object.keys(claims), ...leftOut].sort()).toEqual(Object.keys(payload).sort());
      }),
    );
  });
});
