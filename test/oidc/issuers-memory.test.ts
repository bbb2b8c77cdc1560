import { beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { createIssuerKeys, type IssuerMemory, type IssuerState } from "../../src/oidc/issuers.ts";
import {
  createFakeIssuer,
  type FakeIssuer,
  issuerUrl,
  jsonResponse,
  keySetOf,
  sourceOf,
} from "../support/fake-issuer.ts";

const source = sourceOf(issuerUrl);

let issuer: FakeIssuer;
beforeEach(() => {
  issuer = createFakeIssuer();
});

/** What is known of an issuer: the names of its keys, and why no others could be had. */
function tell(state: IssuerState | undefined) {
  return state && { ...state, keys: [...state.keys.keys()] };
}

describe("what is known of an issuer", () => {
  const refusal = {
    code: "issuer_unreachable",
    issuer: issuerUrl,
    detail: "https://keys.example/jwks cannot be fetched (connection failed)",
    retryAfter: 1,
  };

  it("is its keys, and no more than the failure while it never answered", async () => {
    issuer.keySet();
    expect(tell(await issuer.keys.inspect(source, "acme"))).toEqual({ keys: [], refusal });
    expect(tell(issuer.keys.known(source))).toEqual({ keys: [], refusal });
    issuer.keySet(() => jsonResponse(keySetOf("a")));
    expect(tell(await issuer.keys.refresh(source))).toStrictEqual({ keys: ["a"] });
    issuer.keySet();
    expect(tell(await issuer.keys.refresh(source))).toEqual({ keys: ["a"], refusal });
    expect(tell(issuer.keys.known(source))).toEqual({ keys: ["a"], refusal });
  });

  it("is nothing of another revision, or while it is asked for the first time", async () => {
    issuer.keys.carryOver(source, 2);
    const asked = issuer.keys.inspect(source, "acme");
    expect(issuer.keys.known(source)).toBeUndefined();
    await asked;
    expect(tell(issuer.keys.known(source))).toEqual({ keys: ["a"] });
    expect(issuer.keys.known({ ...source, revision: 2 })).toBeUndefined();
  });

  it("is brought up by a look once it is no longer fresh, and not before", async () => {
    const asked: number[] = [];
    for (const pause of [0, limits.issuerKeys.freshSeconds - 1, 1]) {
      issuer.advance(pause);
      await issuer.keys.inspect(source, "acme");
      asked.push(issuer.keyRequests);
    }
    expect(asked).toEqual([1, 1, 2]);
  });

  it("is kept for 1000 issuers: the one used longest ago goes first", async () => {
    const memory: IssuerMemory = new Map();
    const keys = createIssuerKeys(
      { fetch, publicUrl: "https://berth.example", allowInsecure: false, now: () => 0 },
      memory,
    );
    const use = (id: string) => keys.inspect(sourceOf(id, { jwks: { keys: [{ kty: "EC", kid: "a" }] } }), "acme");
    const { issuers } = limits.issuerKeys;
    for (let index = 0; index < issuers; index++) await use(`i${index}`);
    expect(memory.size).toBe(issuers);
    await use("i0");
    await use("one more");
    expect(memory.size).toBe(issuers);
    expect(["i0", "i1", "i2", "one more"].filter((id) => memory.has(id))).toEqual(["i0", "i2", "one more"]);
  });

  it("tells a key that is named twice from one that is not there", async () => {
    issuer.keySet(() => jsonResponse(keySetOf("a", "a")));
    const [twice, never] = [await issuer.keys.find(source, "a", "acme"), await issuer.keys.find(source, "b", "acme")];
    expect(twice).toMatchObject({
      refusal: { code: "key_unusable", kid: "a", detail: "the issuer's key set names it twice" },
    });
    expect(never).toMatchObject({ refusal: { code: "key_unknown", kid: "b" } });
  });
});
