import { beforeEach, describe, expect, it } from "vitest";
import {
  createFakeIssuer,
  type FakeIssuer,
  issuerUrl,
  jsonResponse,
  keySetOf,
  sourceOf,
} from "../support/fake-issuer.ts";

let issuer: FakeIssuer;
beforeEach(() => {
  issuer = createFakeIssuer();
});

/** The code of the refusal, or `found`. */
async function find(kid: string, of = issuer): Promise<string> {
  const result = await of.keys.find(sourceOf(issuerUrl), kid, "acme");
  return result.ok ? "found" : result.refusal.code;
}

describe("an issuer's keys", () => {
  it("are found by discovery", async () => {
    expect(await issuer.keys.find(sourceOf(issuerUrl), "a", "acme")).toMatchObject({
      ok: true,
      key: { jwk: { kty: "EC", crv: "P-256", kid: "a" } },
    });
    expect(issuer.requests).toEqual([
      "https://ci.example/.well-known/openid-configuration",
      "https://keys.example/jwks",
    ]);
  });

  it("serve ten minutes without being asked for again", async () => {
    await find("a");
    issuer.advance(599);
    expect(await find("a")).toBe("found");
    expect(issuer.keyRequests).toBe(1);
    issuer.advance(1);
    expect(await find("a")).toBe("found");
    expect(issuer.keyRequests).toBe(2);
  });

  it.each([
    ["max-age=120", 120],
    ["public, max-age=120, must-revalidate", 120],
    ["Max-Age=120", 120],
    ["max-age=0", 60],
    ["max-age=59", 60],
    ["max-age=3600", 3600],
    ["max-age=999999999", 3600],
    ["no-store", 600],
    ["max-age=-5", 600],
    ["max-age=soon", 600],
    ["s-max-age=120", 600],
  ])("with Cache-Control: %s serve %d seconds", async (cacheControl, seconds) => {
    issuer.keySet(() => jsonResponse(keySetOf("a"), { "cache-control": cacheControl }));
    await find("a");
    issuer.advance(seconds - 1);
    await find("a");
    expect(issuer.keyRequests).toBe(1);
    issuer.advance(1);
    await find("a");
    expect(issuer.keyRequests).toBe(2);
  });

  it("are asked for once, however many wait for them", async () => {
    const results = await Promise.all(Array.from({ length: 50 }, () => find("a")));
    expect(new Set(results)).toEqual(new Set(["found"]));
    expect(issuer.keyRequests).toBe(1);
  });

  it("of one issuer are not another's", async () => {
    await find("a");
    issuer.document(() => jsonResponse({ issuer: "https://other.example", jwks_uri: "https://keys.example/jwks" }));
    issuer.keySet(() => jsonResponse(keySetOf("b")));
    expect((await issuer.keys.find(sourceOf("https://other.example"), "a", "acme")).ok).toBe(false);
    expect(await find("a")).toBe("found");
  });

  it("that are named twice are good for nothing, and the others stay good", async () => {
    issuer.keySet(() => jsonResponse(keySetOf("a", "b", "a", "a")));
    expect(await find("a")).toBe("key_unusable");
    expect(await find("b")).toBe("found");
  });

  it("that are shared secrets, or have no name, are not there", async () => {
    const odd = [null, 1, "x", [], {}, { kty: "EC", kid: 1 }, { kty: "oct", kid: "secret", k: "AA" }];
    issuer.keySet(() => jsonResponse({ keys: [...odd, { kty: "EC", kid: "a" }] }));
    expect(await find("a")).toBe("found");
    expect(await find("secret")).toBe("key_unknown");
  });

  it("are not looked up among what objects inherit", async () => {
    for (const kid of ["__proto__", "constructor", "toString"]) expect(await find(kid)).toBe("key_unknown");
  });
});

describe("an unknown kid", () => {
  it("earns one look a minute", async () => {
    await find("a");
    expect(await find("b")).toBe("key_unknown");
    expect(issuer.keyRequests).toBe(2);
    issuer.advance(59);
    for (const kid of ["b", "c", "d"]) expect(await find(kid)).toBe("key_unknown");
    expect(issuer.keyRequests).toBe(2);
    issuer.advance(1);
    await find("c");
    expect(issuer.keyRequests).toBe(3);
  });

  it("is found by that look where the issuer has changed its keys", async () => {
    await find("a");
    issuer.keySet(() => jsonResponse(keySetOf("b")));
    expect(await find("b")).toBe("found");
    expect(await find("a")).toBe("key_unknown");
  });

  it("is found by all who ask while the look is under way", async () => {
    await find("a");
    issuer.keySet(() => jsonResponse(keySetOf("a", "b")));
    expect(await Promise.all([find("b"), find("b"), find("b")])).toEqual(["found", "found", "found"]);
    expect(issuer.keyRequests).toBe(2);
  });

  it("earns no second look when the keys were only just asked for", async () => {
    expect(await find("b")).toBe("key_unknown");
    expect(issuer.keyRequests).toBe(1);
  });

  it("has its look counted though it fails", async () => {
    await find("a");
    issuer.keySet();
    await find("b");
    issuer.advance(30);
    await find("b");
    expect(issuer.keyRequests).toBe(2);
    expect(await find("a")).toBe("found");
  });
});
