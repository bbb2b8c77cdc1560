import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Refusal } from "../../src/domain/refusal.ts";
import { limits } from "../../src/limits.ts";
import { type ParsedToken, parseToken, signatureAlgorithms } from "../../src/oidc/token-shape.ts";
import { base64url, compact, goodHeader, goodPayload } from "../support/compact.ts";

function read(token: string): ParsedToken {
  const result = parseToken(token);
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  return result.token;
}

function refusal(token: string): Refusal | undefined {
  const result = parseToken(token);
  return result.ok ? undefined : result.refusal;
}

describe("a token's shape", () => {
  it("is read for the names that decide what is done with it", () => {
    const token = compact(goodHeader, { ...goodPayload, nbf: 1_799_999_999.5, jti: "j", ref: "main" });
    expect(read(token)).toMatchObject({
      compact: token,
      alg: "RS256",
      kid: "key-1",
      claims: {
        iss: "https://ci.example",
        sub: "repo:acme/app",
        aud: ["https://berth.example"],
        iat: 1_800_000_000,
        exp: 1_800_000_300,
        nbf: 1_799_999_999.5,
        jti: "j",
        payload: { ref: "main" },
      },
    });
  });

  it.each([
    ["nothing", ""],
    ["one part", "abc"],
    ["two parts", "abc.def"],
    ["an unsigned token's empty third part", `${base64url("{}")}.${base64url("{}")}.`],
    ["the five parts of an encrypted token", "a.b.c.d.e"],
    ["four parts", `${compact(goodHeader, goodPayload)}.x`],
    ["the JSON serialization", JSON.stringify({ payload: "e30", signatures: [] })],
    ["a space before", ` ${compact(goodHeader, goodPayload)}`],
    ["a line break after", `${compact(goodHeader, goodPayload)}\n`],
    ["a space within", compact(goodHeader, goodPayload).replace(".", ". ")],
    ["padding", `${base64url('{"alg":"RS256"}')}==.e30.c2ln`],
    ["the standard alphabet", compact(goodHeader, goodPayload, "ab+/")],
    ["a lone character at the end", compact(goodHeader, goodPayload, "c2lnb")],
    ["stray bits in the signature", compact(goodHeader, goodPayload, "c2lnbmF0dXJ")],
    ["stray bits in the header", `e31.${base64url("{}")}.c2ln`],
    ["letters of another alphabet", compact(goodHeader, goodPayload, "c2lnаа")],
  ])("is refused with %s", (_, token) => {
    expect(refusal(token)?.code).toBe("token_malformed");
  });

  it("is refused when it is too large, as a whole or in its header", () => {
    const filled = (bytes: number) => {
      const rest = compact(goodHeader, { ...goodPayload, x: "" }).length;
      return compact(goodHeader, { ...goodPayload, x: "a".repeat(Math.floor(((bytes - rest) * 3) / 4)) });
    };
    expect(refusal(filled(limits.token.bytes - 4))).toBeUndefined();
    expect(refusal(filled(limits.token.bytes + 4))).toMatchObject({ code: "token_too_large", part: "token" });

    const padded = (bytes: number) => {
      const rest = JSON.stringify({ ...goodHeader, x: "" }).length;
      return compact({ ...goodHeader, x: "a".repeat(bytes - rest) }, goodPayload);
    };
    expect(refusal(padded(2048))).toBeUndefined();
    expect(refusal(padded(2049))).toMatchObject({ code: "token_too_large", part: "header", bytes: 2049 });
  });

  it.each<[string, string, string]>([
    ["header", '{"alg":"RS256","kid":"k","alg":"RS256"}', JSON.stringify(goodPayload)],
    ["header", "\ufeff{}", JSON.stringify(goodPayload)],
    ["header", "[]", JSON.stringify(goodPayload)],
    ["payload", JSON.stringify(goodHeader), JSON.stringify(goodPayload).replace("{", '{"sub":"x",')],
    ["payload", JSON.stringify(goodHeader), JSON.stringify(goodPayload).replace("1800000300", "1e400")],
    ["payload", JSON.stringify(goodHeader), "not JSON"],
  ])("is refused for a %s that is not strict JSON", (part, header, payload) => {
    expect(refusal(compact(header, payload))).toMatchObject({ code: "token_json_invalid", part });
  });

  it("is read or refused for any text, and never breaks", () => {
    const anyPart = fc.oneof(fc.string({ unit: "binary" }), fc.json(), fc.constant(JSON.stringify(goodHeader)));
    const anyToken = fc
      .tuple(anyPart, anyPart, fc.string())
      .map(([header, payload, signature]) => compact(header, payload, signature));
    fc.assert(
      fc.property(fc.oneof(anyToken, fc.string({ unit: "binary" })), (token) => {
        expect(parseToken(token)).toHaveProperty("ok");
      }),
      { numRuns: 500 },
    );
  });

  it("is read back as it was written: no two texts are one token", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.nat(),
        fc.constantFrom(..."ABCDwxyz019-_ =+/"),
        (signature, at, other) => {
          const encoded = base64url(signature);
          const index = at % encoded.length;
          const changed = encoded.slice(0, index) + other + encoded.slice(index + 1);
          const result = parseToken(compact(goodHeader, goodPayload, changed));
          const sameBytes = Buffer.from(changed, "base64url").equals(Buffer.from(signature));
          if (result.ok && changed !== encoded) expect(sameBytes).toBe(false);
        },
      ),
    );
  });
});

describe("a token's header", () => {
  it.each(signatureAlgorithms)("may name the algorithm %s", (alg) => {
    expect(refusal(compact({ ...goodHeader, alg }, goodPayload))).toBeUndefined();
  });

  it.each([
    "HS256",
    "HS384",
    "HS512",
    "none",
    "None",
    "",
    "rs256",
    "ES256K",
    "RSA-OAEP",
    "dir",
    256,
    null,
    undefined,
    ["RS256"],
  ])("may not name the algorithm %j", (alg) => {
    expect(refusal(compact({ ...goodHeader, alg }, goodPayload))).toMatchObject({
      code: "alg_not_allowed",
      by: "format",
    });
  });

  it.each<[string, unknown]>([
    ["crit", ["b64"]],
    ["crit", []],
    ["b64", true],
    ["b64", false],
    ["zip", "DEF"],
    ["enc", "A256GCM"],
  ])("may not have %s (%j)", (parameter, value) => {
    expect(refusal(compact({ ...goodHeader, [parameter]: value }, goodPayload))).toMatchObject({
      code: "header_not_allowed",
      parameter,
    });
  });

  it.each([undefined, "JWT", "jwt", "at+jwt", "AT+JWT"])("may have the typ %j", (typ) => {
    expect(refusal(compact({ ...goodHeader, typ }, goodPayload))).toBeUndefined();
  });

  it.each(["logout+jwt", "berth-robot+jwt", "dpop+jwt", "JOSE", "", null, 1, ["JWT"]])(
    "may not have the typ %j",
    (typ) => {
      expect(refusal(compact({ ...goodHeader, typ }, goodPayload))).toMatchObject({
        code: "header_not_allowed",
        parameter: "typ",
      });
    },
  );

  it.each([undefined, ""])("must name a key: not %j", (kid) => {
    expect(refusal(compact({ ...goodHeader, kid }, goodPayload))).toEqual({ code: "kid_missing" });
  });

  it.each([1, null, ["key-1"], {}, "a".repeat(257), "key\u0000", "key\n1"])(
    "must name its key in plain text: not %j",
    (kid) => {
      expect(refusal(compact({ ...goodHeader, kid }, goodPayload))).toMatchObject({
        code: "header_not_allowed",
        parameter: "kid",
      });
    },
  );

  it("must name its key in whole characters", () => {
    const header = '{"alg":"RS256","kid":"\\ud800"}';
    expect(refusal(compact(header, goodPayload))).toMatchObject({ code: "header_not_allowed", parameter: "kid" });
  });

  it("is heard in nothing about keys but the kid", () => {
    const tempting = {
      jwk: { kty: "oct", k: "AA" },
      jku: "https://evil.example",
      x5u: "https://evil.example",
      x5c: ["AA"],
    };
    const { alg, kid } = read(compact({ ...goodHeader, ...tempting }, goodPayload));
    expect({ alg, kid }).toEqual({ alg: "RS256", kid: "key-1" });
  });
});

describe("a token's claims", () => {
  it.each(["iss", "sub", "exp", "iat"])("must have %s", (claim) => {
    expect(refusal(compact(goodHeader, { ...goodPayload, [claim]: undefined }))).toMatchObject({
      code: "claim_invalid",
      claim,
    });
  });

  it.each([
    ["iss", 600],
    ["sub", 600],
    ["jti", 512],
  ])("must have %s in plain text of a bounded length", (claim, length) => {
    const withClaim = (value: unknown) => refusal(compact(goodHeader, { ...goodPayload, [claim]: value }));
    expect(withClaim("a".repeat(length))).toBeUndefined();
    for (const value of ["a".repeat(length + 1), "", 1, true, null, ["a"], {}, "a\u0000", "a\nb", "a\u0085"]) {
      expect(withClaim(value)).toMatchObject({ code: "claim_invalid", claim });
    }
    const halfPair = JSON.stringify({ ...goodPayload, [claim]: "X" }).replace('"X"', '"\\udc00"');
    expect(refusal(compact(goodHeader, halfPair))).toMatchObject({ code: "claim_invalid", claim });
  });

  it.each(["exp", "iat", "nbf"])("must have %s as a number", (claim) => {
    for (const value of ["1800000000", null, true, [1_800_000_000], {}]) {
      expect(refusal(compact(goodHeader, { ...goodPayload, [claim]: value }))).toMatchObject({
        code: "claim_invalid",
        claim,
      });
    }
  });

  it.each<[unknown, readonly string[]]>([
    ["a", ["a"]],
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [[], []],
    [undefined, []],
    [Array(16).fill("a"), Array(16).fill("a")],
  ])("may have the audience %j", (aud, expected) => {
    expect(read(compact(goodHeader, { ...goodPayload, aud })).claims.aud).toEqual(expected);
  });

  it.each([null, 1, "", {}, [1], ["a", null], [["a"]], ["a", ""], ["a\u0000"], Array(17).fill("a"), "a".repeat(601)])(
    "may not have the audience %j",
    (aud) => {
      expect(refusal(compact(goodHeader, { ...goodPayload, aud }))).toMatchObject({
        code: "claim_invalid",
        claim: "aud",
      });
    },
  );

  it("are not taken from what objects inherit", () => {
    const payload = '{"__proto__":{"iss":"https://ci.example","sub":"x"},"iat":1,"exp":2}';
    expect(refusal(compact(goodHeader, payload))).toMatchObject({ code: "claim_invalid", claim: "iss" });
  });
});
