import { beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { createIssuerKeys, type IssuerMemory, type IssuerSource } from "../../src/oidc/issuers.ts";
import type { FetchPolicy } from "../../src/oidc/safe-fetch.ts";
import {
  createFakeIssuer,
  type FakeIssuer,
  issuerUrl,
  jsonResponse,
  keySetOf,
  sourceOf,
} from "../support/fake-issuer.ts";

const source = sourceOf(issuerUrl);
const uploaded = (id: string) => sourceOf(id, { jwks: { keys: [{ kty: "EC", kid: "a" }] } });
const unreachable = {
  code: "issuer_unreachable",
  issuer: issuerUrl,
  detail: "https://keys.example/jwks cannot be fetched (connection failed)",
};

let issuer: FakeIssuer;
beforeEach(() => {
  issuer = createFakeIssuer();
});

/** What is known of an issuer: the names of its keys, and why no others could be had. */
function tell(state: ReturnType<FakeIssuer["keys"]["known"]>) {
  return state && { ...state, keys: [...state.keys.keys()] };
}

describe("what is known of an issuer", () => {
  it("is nothing until it was asked", async () => {
    expect(issuer.keys.known(source)).toBeUndefined();
    expect(tell(await issuer.keys.inspect(source, "acme"))).toEqual({ keys: ["a"] });
    expect(tell(issuer.keys.known(source))).toEqual({ keys: ["a"] });
  });

  it("is a failure alone where it never answered", async () => {
    issuer.keySet();
    const failed = { keys: [], refusal: { ...unreachable, retryAfter: 1 } };
    expect(tell(await issuer.keys.inspect(source, "acme"))).toEqual(failed);
    expect(tell(issuer.keys.known(source))).toEqual(failed);
  });

  it("is its keys and the failure where it answers no longer", async () => {
    await issuer.keys.inspect(source, "acme");
    issuer.keySet();
    const failed = { keys: ["a"], refusal: { ...unreachable, retryAfter: 1 } };
    expect(tell(await issuer.keys.refresh(source))).toEqual(failed);
    expect(tell(issuer.keys.known(source))).toEqual(failed);
  });

  it("is asked for by a look once it is no longer fresh, and by a refresh always", async () => {
    const asked: number[] = [];
    const look = async (way: "inspect" | "refresh") => {
      await issuer.keys[way](source, "acme");
      asked.push(issuer.keyRequests);
    };
    await look("inspect");
    issuer.advance(limits.issuerKeys.freshSeconds - 1);
    await look("inspect");
    issuer.advance(1);
    await look("inspect");
    await look("refresh");
    expect(asked).toEqual([1, 1, 2, 3]);
  });

  it("is what was uploaded, and nobody is ever asked", async () => {
    const own = uploaded(issuerUrl);
    for (const state of [
      issuer.keys.known(own),
      await issuer.keys.inspect(own, "acme"),
      await issuer.keys.refresh(own),
    ]) {
      expect(tell(state)).toEqual({ keys: ["a"] });
    }
    expect(await issuer.keys.find(own, "b", "acme")).toMatchObject({ refusal: { code: "key_unknown" } });
    expect(issuer.requests).toEqual([]);
  });

  it("is forgotten once its keys are to be found elsewhere, unless that changed nothing", async () => {
    await issuer.keys.inspect(source, "acme");
    const [second, third] = [sourceOf(issuerUrl, { revision: 2 }), sourceOf(issuerUrl, { revision: 3 })];
    issuer.keys.carryOver(source, 2);
    issuer.keys.carryOver(source, 3);
    expect(tell(issuer.keys.known(second))).toEqual({ keys: ["a"] });
    expect(issuer.keys.known(third)).toBeUndefined();
    expect(issuer.keys.known(source)).toBeUndefined();
  });

  it("is kept for 1000 issuers: the one used longest ago goes first", () => {
    const memory: IssuerMemory = new Map();
    const nothing = { fetch: fetch, publicUrl: "https://berth.example", allowInsecure: false, now: () => 0 };
    const keys = createIssuerKeys(nothing, memory);
    const { issuers } = limits.issuerKeys;
    for (let index = 0; index < issuers; index++) keys.known(uploaded(`i${index}`));
    expect(memory.size).toBe(issuers);
    keys.known(uploaded("i0"));
    keys.known(uploaded("one more"));
    expect(memory.size).toBe(issuers);
    expect(["i0", "i1", "i2", "one more"].filter((id) => memory.has(id))).toEqual(["i0", "i2", "one more"]);
  });

  it("tells a key that is named twice from one that is not there", async () => {
    issuer.keySet(() => jsonResponse(keySetOf("a", "a")));
    expect(await issuer.keys.find(source, "a", "acme")).toEqual({
      ok: false,
      refusal: { code: "key_unusable", kid: "a", detail: "the issuer's key set names it twice" },
    });
    expect(await issuer.keys.find(source, "b", "acme")).toEqual({
      ok: false,
      refusal: { code: "key_unknown", kid: "b" },
    });
  });
});

describe("an issuer is asked", () => {
  it.each<[Partial<IssuerSource>, boolean, FetchPolicy]>([
    [{}, false, { allowHttp: false, allowLocal: false }],
    [{ allowPrivateNetwork: true }, false, { allowHttp: false, allowLocal: true }],
    [{}, true, { allowHttp: true, allowLocal: true }],
    [{ caPem: "PEM" }, false, { allowHttp: false, allowLocal: false, ca: "PEM" }],
  ])("as it is registered: %j, insecure %s", async (given, allowInsecure, policy) => {
    const policies: FetchPolicy[] = [];
    const keys = createIssuerKeys({
      async fetch(_, __, granted) {
        policies.push(granted);
        return jsonResponse(keySetOf("a"));
      },
      publicUrl: "https://berth.example",
      allowInsecure,
      now: () => 0,
    });
    await keys.refresh(sourceOf(issuerUrl, { jwksUri: "https://keys.example/jwks", ...given }));
    expect(policies).toStrictEqual([policy]);
  });

  it("for two of one organization at a time, whoever else waits", async () => {
    let answer = (_: Response) => {};
    const slow = new Promise<Response>((resolve) => {
      answer = resolve;
    });
    const keys = createIssuerKeys({
      fetch: async () => (await slow).clone(),
      publicUrl: "https://berth.example",
      allowInsecure: false,
      now: () => 0,
    });
    const find = (id: string, party: string) =>
      keys.find(sourceOf(id, { jwksUri: "https://keys.example" }), "a", party);
    const waiting = [find("1", "acme"), find("2", "acme"), find("3", "other")];
    expect(await find("4", "acme")).toEqual({
      ok: false,
      refusal: {
        code: "issuer_unreachable",
        issuer: "4",
        detail: "too many issuers are being asked at once",
        retryAfter: 1,
      },
    });
    answer(jsonResponse(keySetOf("a")));
    expect((await Promise.all(waiting)).map(({ ok }) => ok)).toEqual([true, true, true]);
    expect(await find("4", "acme")).toMatchObject({ ok: true });
  });
});
