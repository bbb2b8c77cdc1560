import fc from "fast-check";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { type Binding, bindingProblems, type Condition } from "../../src/domain/binding.ts";
import { compileBinding } from "../../src/domain/compiled-binding.ts";
import { evaluate, type VerifiedClaims } from "../../src/domain/evaluate.ts";
import type { Json, JsonObject } from "../../src/domain/json.ts";
import { authorize, formatNarrowing, type Grant, intersectGrants, parseNarrowing } from "../../src/domain/scope.ts";
import { limits } from "../../src/limits.ts";
import { parseToken } from "../../src/oidc/token-shape.ts";
import { base64url, compact, goodHeader, goodPayload } from "../support/compact.ts";
import { repositoryName } from "../support/names.ts";
import { makeBinding, makeClaims, makeTerms } from "../support/terms.ts";

const now = goodPayload.iat;
const defaults = { audiences: ["https://berth.example"], clients: [] };
const judge = (bindings: readonly Binding[], claims: VerifiedClaims) =>
  evaluate(bindings.map(compileBinding), claims, defaults, now);

describe("parse", () => {
  const name = fc.oneof(
    fc.constantFrom(...Object.keys({ ...goodHeader, ...goodPayload, nbf: 0, jti: 0, crit: 0 })),
    fc.string(),
  );
  const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom<unknown>("RS256", "JWT", now, now + 300, "a"));
  const almost = (good: object) =>
    fc.dictionary(name, value, { maxKeys: 2 }).map((members) => ({ ...good, ...members }));

  it("reads in a token what another library reads in it, or refuses", () => {
    let read = 0;
    fc.assert(
      fc.property(almost(goodHeader), almost(goodPayload), (header, payload) => {
        const token = compact(header, payload);
        const parsed = parseToken(token);
        if (!parsed.ok) return;
        read += 1;
        const { alg, kid, claims } = parsed.token;
        expect(decodeProtectedHeader(token)).toMatchObject({ alg, kid });
        expect(decodeJwt(token)).toEqual(JSON.parse(JSON.stringify(claims.payload)));
        expect(decodeJwt(token)).toMatchObject({ iss: claims.iss, sub: claims.sub, exp: claims.exp, iat: claims.iat });
        expect([decodeJwt(token).aud ?? []].flat()).toEqual(claims.aud);
      }),
      { numRuns: 1000 },
    );
    expect(read).toBeGreaterThan(50);
  });

  it("refuses a token with one character more, less or other, unless the bytes that it stands for changed too", () => {
    const token = compact(goodHeader, goodPayload);
    const bytesOf = (text: string) => text.split(".").map((part) => Buffer.from(part, "base64url").toString("hex"));
    const edit = fc.tuple(fc.nat(token.length), fc.nat(1), fc.constantFrom("", ..."AZaz09-_+/=. \n\u0000é"));
    fc.assert(
      fc.property(edit, ([at, removed, put]) => {
        const edited = token.slice(0, at) + put + token.slice(at + removed);
        if (edited !== token && parseToken(edited).ok) expect(bytesOf(edited)).not.toEqual(bytesOf(token));
      }),
      { numRuns: 1000 },
    );
  });

  it("tells a caller no more than a line of any header or payload, however long or ill it is", () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.json().map((json) => new TextEncoder().encode(json)),
    );
    fc.assert(
      fc.property(anyBytes, anyBytes, (header, payload) => {
        const parsed = parseToken(`${base64url(header)}.${base64url(payload)}.AAAA`);
        if (!parsed.ok) expect(JSON.stringify(parsed.refusal).length).toBeLessThan(2 * limits.token.kid + 256);
      }),
    );
  });
});

/** Texts of a few parts, so that one is often the beginning of another. */
const path = fc.array(fc.constantFrom("repo", "acme", "Acme", "app", ":", "/", "*", "@1", ".", "%", "é"), {
  minLength: 1,
  maxLength: 6,
});
const text = path.map((parts) => parts.join(""));
const scalar = fc.oneof(text, fc.constantFrom<string | number | boolean>(0, 1, "1", true, "true", false, -0));
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ equals: scalar }),
  fc.record({ in: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
  fc.record({ prefix: text }),
  fc.record({ contains: scalar }),
);
const claimValue: fc.Arbitrary<Json> = fc.oneof(
  scalar,
  fc.array(scalar),
  fc.constant(null),
  fc.jsonValue() as fc.Arbitrary<Json>,
);
const acceptable = (given: Parameters<typeof makeTerms>[0]) =>
  bindingProblems(makeTerms(given), {
    publicUrl: "https://berth.example",
    allowInsecure: false,
    maxTokenTtl: limits.robotToken.maxSeconds,
  }).length === 0;

describe("match", () => {
  it("passes a subject that is the binding's, or lies behind its delimiter, and no other", () => {
    fc.assert(
      fc.property(text, fc.oneof(text, fc.constant("")), fc.boolean(), (subject, more, extended) => {
        fc.pre(acceptable({ subject }));
        const sub = extended ? subject.replace(/\*$/, "") + more : more || subject;
        const behind = /^(.*[:/])\*$/s.exec(subject)?.[1];
        const expected = behind === undefined ? sub === subject : sub.slice(0, behind.length) === behind;
        expect(judge([makeBinding({ subject })], makeClaims({}, { sub })).granted).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it("passes under a binding's prefix only what has the delimiter where the prefix has it", () => {
    fc.assert(
      fc.property(text, text, (prefix, value) => {
        fc.pre(acceptable({ claims: { path: { prefix } } }));
        const { granted } = judge([makeBinding({ claims: { path: { prefix } } })], makeClaims({ path: value }));
        expect(granted).toBe(value.slice(0, prefix.length) === prefix);
        if (granted) expect(value[prefix.length - 1]).toMatch(/[^\p{L}\p{N}]/u);
      }),
    );
  });

  it("lets nobody in by a condition more, and keeps nobody out by a binding more", () => {
    const payload = fc.dictionary(fc.constantFrom("a", "b"), claimValue);
    const conditions = fc.dictionary(fc.constantFrom("a", "b"), condition);
    fc.assert(
      fc.property(payload, conditions, conditions, (members, some, more) => {
        const claims = makeClaims(members as JsonObject);
        const wide = makeBinding({ id: "wide", claims: some });
        const strict = makeBinding({ id: "strict", claims: { ...more, ...some } });
        const { granted } = judge([wide], claims);
        if (judge([strict], claims).granted) expect(granted).toBe(true);
        expect(judge([strict, wide], claims).granted).toBe(granted);
        expect(judge([wide, strict], claims).granted).toBe(granted);
      }),
      { numRuns: 500 },
    );
  });

  it("never passes a value for a text that it is not the same text as", () => {
    fc.assert(
      fc.property(text, claimValue, (wanted, value) => {
        for (const one of [{ equals: wanted }, { in: [wanted] }]) {
          const { granted } = judge([makeBinding({ claims: { a: one } })], makeClaims({ a: value }));
          expect(granted).toBe(typeof value === "string" && value === wanted);
        }
      }),
    );
  });
});

describe("scope", () => {
  const everything: Grant[] = [{ type: "repository", pattern: "*", actions: ["pull", "push", "delete"] }];
  const hostile = fc.oneof(
    repositoryName,
    fc.constantFrom(
      "..",
      "../other",
      "*",
      "x:push",
      "x:pull repository:other/app:push",
      "x,y",
      "{b}",
      "",
      "/",
      "other",
    ),
    claimValue,
  );

  it("that names claims leads nowhere but below its own fixed part, with its own actions, whatever the claims", () => {
    const binding = makeBinding({ scope: "repository:acme/{a}/{b}:pull repository:acme/tools:pull,push" });
    const asked = fc.array(fc.oneof(repositoryName, fc.constantFrom("other/app", "acme", "acme/tools")));
    fc.assert(
      fc.property(hostile, hostile, asked, (a, b, names) => {
        const decision = judge([binding], makeClaims({ a, b } as JsonObject));
        if (!decision.granted) return;
        const narrowed = parseNarrowing(formatNarrowing(decision.outcome.narrowed?.grants ?? []));
        if (!narrowed.ok) throw new Error(narrowed.scope);
        const wanted = [...new Set([...names, `acme/${a}/${b}`])].map((name) => ({
          type: "repository",
          name,
          actions: ["*"],
        }));
        for (const { name, actions } of authorize(wanted, everything, narrowed.grants)) {
          expect([`acme/${a}/${b}`, "acme/tools"]).toContain(name);
          expect(actions).toEqual(name === "acme/tools" ? ["pull", "push"] : ["pull"]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("that the caller asks for adds nothing to the binding's, whatever it asks for", () => {
    const bindings: Grant[] = [{ type: "repository", pattern: "acme/app", actions: ["pull"] }];
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.oneof(repositoryName, fc.constant("*")), fc.constantFrom("pull", "push", "*", "pull,push")),
        ),
        (asked) => {
          const parsed = parseNarrowing(asked.map(([name, actions]) => `repository:${name}:${actions}`).join(" "));
          if (!parsed.ok) return;
          const left = intersectGrants(bindings, parsed.grants);
          for (const { pattern, actions } of left) {
            expect(pattern).toBe("acme/app");
            expect(actions).toEqual(["pull"]);
          }
        },
      ),
    );
  });
});
