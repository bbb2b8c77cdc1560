import { describe, expect, it } from "vitest";
import type { Refusal } from "../../src/domain/refusal.ts";
import { limits } from "../../src/limits.ts";
import { parseToken, signatureAlgorithms } from "../../src/oidc/token-shape.ts";
import { compact, goodHeader, goodPayload } from "../support/compact.ts";

const good = compact(goodHeader, goodPayload);
const withHeader = (members: object) => compact({ ...goodHeader, ...members }, goodPayload);
const withClaims = (members: object) => compact(goodHeader, { ...goodPayload, ...members });

/** A good token of so many bytes: all that it has too few of are in its signature. */
function ofBytes(bytes: number): string {
  const unsigned = compact(goodHeader, goodPayload, "");
  return unsigned + "A".repeat(bytes - unsigned.length);
}

function refusalOf(token: string): Refusal | undefined {
  const result = parseToken(token);
  return result.ok ? undefined : result.refusal;
}

const malformed = (detail: string): Refusal => ({ code: "token_malformed", detail });
const badHeader = (parameter: string, detail: string): Refusal => ({ code: "header_not_allowed", parameter, detail });
const badClaim = (claim: string, detail: string): Refusal => ({ code: "claim_invalid", claim, detail });
const badAlgorithm = (alg: string): Refusal => ({
  code: "alg_not_allowed",
  by: "format",
  alg,
  allowed: signatureAlgorithms,
});
const threeParts = "a signed JWT has three parts separated by dots, none of them empty, and this has";

describe("a token that cannot be read is told", () => {
  it.each<[string, string, Refusal]>([
    [
      "its size",
      ofBytes(limits.token.bytes + 1),
      { code: "token_too_large", part: "token", bytes: limits.token.bytes + 1, limit: limits.token.bytes },
    ],
    ["how many parts it has", "a.b", malformed(`${threeParts} 2`)],
    ["that parts of it are empty", "a..", malformed(`${threeParts} 3`)],
    ["that it has a dot too many", `${good}.`, malformed(`${threeParts} 4`)],
    [
      "that its header is not canonical",
      `${good.replace(".", "=.")}`,
      malformed("its header is not canonical base64url"),
    ],
    [
      "that its payload is not canonical",
      good.replace(/\.(?=[^.]*$)/, "=."),
      malformed("its payload is not canonical base64url"),
    ],
    ["that its signature is not canonical", `${good}=`, malformed("its signature is not canonical base64url")],
    [
      "that its payload is no JSON",
      compact(goodHeader, "x"),
      { code: "token_json_invalid", part: "payload", detail: "its syntax is not JSON's" },
    ],
    ["its algorithm", withHeader({ alg: "HS256" }), badAlgorithm("HS256")],
    ["32 characters of its algorithm", withHeader({ alg: "x".repeat(40) }), badAlgorithm(`${"x".repeat(32)}…`)],
    ["no algorithm that is no text", withHeader({ alg: ["RS256"] }), badAlgorithm("")],
    ["the parameter that changes what it means", withHeader({ crit: [] }), badHeader("crit", "it must not be there")],
    ["what types there are", withHeader({ typ: "x" }), badHeader("typ", "it must be absent, JWT or at+jwt")],
    [
      "what a kid may be",
      withHeader({ kid: 1 }),
      badHeader("kid", "it must be printable text of at most 256 characters"),
    ],
    ["what text is missing", withClaims({ iss: undefined }), badClaim("iss", "it is missing")],
    ["what time is missing", withClaims({ exp: undefined }), badClaim("exp", "it is missing")],
    [
      "what a text may be",
      withClaims({ jti: "" }),
      badClaim("jti", "it must be printable text of 1 to 512 characters"),
    ],
    ["what a time may be", withClaims({ nbf: "1" }), badClaim("nbf", "it must be a number of seconds")],
    [
      "what an audience may be",
      withClaims({ aud: 1 }),
      badClaim("aud", "it must be printable text, or at most 16 of it"),
    ],
  ])("%s", (_, token, refusal) => {
    expect(refusalOf(token)).toEqual(refusal);
  });

  it.each<[string, string]>([
    ["of 16 KiB", ofBytes(limits.token.bytes)],
    ["whose kid has 256 characters", withHeader({ kid: "a".repeat(limits.token.kid) })],
  ])("nothing where it is one %s", (_, token) => {
    expect(refusalOf(token)).toBeUndefined();
  });
});

it("a claim that a token does not have is not read as one without a value", () => {
  const result = parseToken(good);
  expect(result.ok && Object.keys(result.token.claims)).toEqual(["iss", "sub", "aud", "exp", "iat", "payload"]);
});
