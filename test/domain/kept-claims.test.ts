import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Condition } from "../../src/domain/binding.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { firstWithin, keepClaims } from "../../src/domain/kept-claims.ts";
import { presetOf } from "../../src/domain/presets.ts";
import { limits } from "../../src/limits.ts";
import { github } from "../support/terms.ts";

const room = limits.audit.proved;
const registered = { iss: "i", sub: "s", aud: "a", exp: 2, iat: 1, nbf: 1, jti: "j" };
const binding = (claims: Record<string, Condition> | null, scope: string | null = null) => ({ claims, scope });

describe("of a token's claims", () => {
  it("the registered ones and those that name a client are kept, and the names of the others", () => {
    const clients = { azp: "a", client_id: "b", appid: "c" };
    expect(keepClaims({ ...registered, ...clients, email: "e", name: "n" }, [], [], room)).toEqual({
      claims: { ...registered, ...clients },
      leftOut: ["email", "name"],
      unnamed: 0,
    });
  });

  it("those that a binding has a condition on are kept, of every binding", () => {
    const payload = { ...registered, ref: "main", run: 7, other: true };
    const bindings = [binding({ ref: { equals: "main" } }), binding({ run: { in: [1] }, absent: { equals: 1 } })];
    expect(keepClaims(payload, bindings, [], room)).toEqual({
      claims: { ...registered, ref: "main", run: 7 },
      leftOut: ["other"],
      unnamed: 0,
    });
  });

  it("those that a binding's scope names are kept", () => {
    const scope = "repository:acme/{project}:pull repository:{team}/x:pull";
    const { claims, leftOut } = keepClaims({ project: "a", team: "b", scope: "c" }, [binding(null, scope)], [], room);
    expect(claims).toEqual({ project: "a", team: "b" });
    expect(leftOut).toEqual(["scope"]);
  });

  it("those that the preset knows to be nobody's own are kept, and no actor", () => {
    const payload = { repository: "acme/app", event_name: "push", actor: "somebody", actor_id: "1" };
    expect(keepClaims(payload, [], [undefined, presetOf(github)], room)).toEqual({
      claims: { repository: "acme/app", event_name: "push" },
      leftOut: ["actor", "actor_id"],
      unnamed: 0,
    });
  });

  it("one that is too long is left out, and the others are not", () => {
    const longest = limits.audit.claim - "ref".length - 2;
    const keep = (length: number) =>
      keepClaims({ ref: "r".repeat(length), sub: "s" }, [binding({ ref: { equals: "x" } })], [], room);
    expect(keep(longest).leftOut).toEqual([]);
    expect(keep(longest + 1)).toEqual({ claims: { sub: "s" }, leftOut: ["ref"], unnamed: 0 });
  });

  it("as many are kept as there is room for, name and value together", () => {
    const payload = { iss: "i".repeat(10), sub: "s".repeat(10) };
    const kept = (claims: number) => Object.keys(keepClaims(payload, [], [], { claims, names: 100 }).claims);
    expect([kept(30), kept(29), kept(14)]).toEqual([["iss", "sub"], ["iss"], []]);
  });

  it("the times are kept, however long the others are and wherever they stand", () => {
    const long = "x".repeat(1000);
    const { exp, iat, nbf } = registered;
    for (let length = 0; length < 100; length += 1) {
      const others = { azp: long, client_id: long, appid: long, aud: long, jti: "j".repeat(length) };
      expect(keepClaims({ ...others, exp, iat, nbf }, [], [], room).claims, `${length}`).toMatchObject({
        exp,
        iat,
        nbf,
      });
    }
  });

  it("one that is called as what objects inherit is kept as a claim and nothing else", () => {
    const payload: JsonObject = JSON.parse('{"__proto__": {"sub": "forged"}, "constructor": 1, "toString": 2}');
    const names = JSON.parse('{"__proto__": {"equals": 1}, "constructor": {"equals": 1}}');
    const { claims, leftOut } = keepClaims(payload, [binding(names)], [], room);
    expect(Object.keys(claims)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(claims)).toBe(Object.prototype);
    expect(leftOut).toEqual(["toString"]);
  });

  it("so many of the others are named as there is room for, and the rest counted", () => {
    const payload = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`claim-${i}`.padEnd(30, "x"), 1]));
    const { leftOut, unnamed } = keepClaims(payload, [], [], { claims: 100, names: 100 });
    expect(leftOut).toEqual(Object.keys(payload).slice(0, 3));
    expect(unnamed).toBe(17);
    expect(firstWithin(["a", "b"], 6)).toEqual(["a", "b"]);
    expect(firstWithin(["a", "b"], 5)).toEqual(["a"]);
  });

  it("never more is kept than there is room for, each as it was, and all the others are named", () => {
    const value = fc.oneof(fc.string({ maxLength: 1500 }), fc.integer(), fc.array(fc.string({ maxLength: 300 })));
    const name = fc.oneof(fc.constantFrom("sub", "aud", "ref", "exp"), fc.string({ maxLength: 20 }));
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 40 }), (payload) => {
        const { claims, leftOut, unnamed } = keepClaims(payload, [binding({ ref: { equals: "x" } })], [], room);
        const kept = Object.entries(claims);
        const size = kept.reduce((sum, [key, one]) => sum + key.length + JSON.stringify(one).length, 0);
        expect(size).toBeLessThanOrEqual(room.claims);
        for (const [key, one] of kept) expect(one).toBe(payload[key]);
        const named = [...Object.keys(claims), ...leftOut];
        expect(named.length + unnamed).toBe(Object.keys(payload).length);
        expect(Object.keys(payload)).toEqual(expect.arrayContaining(named));
      }),
    );
  });
});
