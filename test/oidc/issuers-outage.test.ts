import { beforeEach, describe, expect, it } from "vitest";
import type { Refusal } from "../../src/domain/refusal.ts";
import { limits } from "../../src/limits.ts";
import { createIssuerKeys } from "../../src/oidc/issuers.ts";
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

async function refusalOf(kid: string): Promise<Refusal | undefined> {
  const result = await issuer.keys.find(sourceOf(issuerUrl), kid, "acme");
  return result.ok ? undefined : result.refusal;
}

describe("an issuer that is down", () => {
  it("is told as unreachable, with when to try again", async () => {
    issuer.document();
    expect(await refusalOf("a")).toMatchObject({ code: "issuer_unreachable", issuer: issuerUrl, retryAfter: 1 });
  });

  it("is asked ever more seldom: after 1, 2, 4 … at most 60 seconds", async () => {
    issuer.document();
    for (const pause of [1, 2, 4, 8, 16, 32, 60, 60]) {
      const asked = issuer.requests.length;
      expect(await refusalOf("a")).toMatchObject({ retryAfter: pause });
      expect(issuer.requests.length).toBe(asked + 1);
      issuer.advance(pause - 0.001);
      expect(await refusalOf("a")).toMatchObject({ retryAfter: 1 });
      expect(issuer.requests.length).toBe(asked + 1);
      issuer.advance(0.001);
    }
  });

  it("is asked as before once it has answered", async () => {
    issuer.document();
    await refusalOf("a");
    issuer.advance(1);
    await refusalOf("a");
    issuer.advance(2);
    issuer.document(() => jsonResponse({ issuer: issuerUrl, jwks_uri: "https://keys.example/jwks" }));
    expect(await refusalOf("a")).toBeUndefined();
    issuer.advance(600);
    issuer.document();
    await refusalOf("a");
    issuer.advance(1);
    const asked = issuer.requests.length;
    await refusalOf("a");
    expect(issuer.requests.length).toBe(asked + 1);
  });

  it("is served from what is known of it for 24 hours past its freshness, and then no longer", async () => {
    await refusalOf("a");
    issuer.keySet();
    issuer.advance(600 + 24 * 3600 - 1);
    expect(await refusalOf("a")).toBeUndefined();
    issuer.advance(1);
    expect(await refusalOf("a")).toMatchObject({ code: "issuer_unreachable" });
  });

  it("is asked once, however many wait", async () => {
    issuer.document();
    const refusals = await Promise.all(Array.from({ length: 20 }, () => refusalOf("a")));
    expect(new Set(refusals.map((one) => one?.code))).toEqual(new Set(["issuer_unreachable"]));
    expect(issuer.requests).toHaveLength(1);
  });
});

describe("a set of keys that is not acceptable", () => {
  const tooMany = keySetOf(...Array.from({ length: 65 }, (_, index) => `k${index}`));
  const unacceptable: [string, () => Response][] = [
    ["is empty", () => jsonResponse({ keys: [] })],
    ["has no key with a name", () => jsonResponse({ keys: [{ kty: "EC" }] })],
    ["has 65 keys", () => jsonResponse(tooMany)],
    ["has no list of keys", () => jsonResponse({ keys: {} })],
    ["is null", () => jsonResponse(null)],
    ["is not JSON", () => new Response("<html>")],
    ["is not UTF-8", () => new Response(Uint8Array.from([0x7b, 0xff, 0x7d]))],
    ["is answered with 404", () => new Response("{}", { status: 404 })],
    ["is answered with 500", () => new Response(JSON.stringify(keySetOf("evil")), { status: 500 })],
    [
      "is answered with a redirect",
      () => new Response(null, { status: 302, headers: { location: "https://evil.example" } }),
    ],
    ["is over 100 KiB", () => jsonResponse({ ...(keySetOf("evil") as object), padding: "x".repeat(100 * 1024) })],
  ];

  it.each(unacceptable)("because it %s refuses for a while", async (_, answer) => {
    issuer.keySet(answer);
    expect((await refusalOf("a"))?.code).toMatch(/^issuer_(unreachable|keys_invalid)$/);
  });

  it.each(unacceptable)("because it %s never replaces a good one", async (_, answer) => {
    await refusalOf("a");
    issuer.keySet(answer);
    issuer.advance(600);
    expect(await refusalOf("a")).toBeUndefined();
    expect((await refusalOf("evil"))?.code).toMatch(/^issuer_(unreachable|keys_invalid)$/);
  });

  it("may have 64 keys and 100 KiB", async () => {
    issuer.keySet(() => jsonResponse(keySetOf(...Array.from({ length: 64 }, (_, index) => `k${index}`))));
    expect(await refusalOf("k63")).toBeUndefined();
  });
});

describe("many issuers at once", () => {
  it("are asked 12 at a time; who comes later is told to come back, and nobody stays locked out", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let asked = 0;
    const keys = createIssuerKeys({
      async fetch(url) {
        asked += 1;
        await gate;
        const { origin } = new URL(url);
        return jsonResponse(url.endsWith("/jwks") ? keySetOf("a") : { issuer: origin, jwks_uri: `${origin}/jwks` });
      },
      publicUrl: "https://berth.example",
      allowInsecure: false,
      now: () => 0,
    });
    const find = (name: string, party: string) => keys.find(sourceOf(`https://${name}.example`), "a", party);
    const { atOnce, keptForProven } = limits.issuerFetch;
    const slow = Array.from({ length: atOnce - keptForProven }, (_, index) => find(`i${index}`, `party-${index}`));
    const late = await find("late", "late");
    expect(late).toMatchObject({ ok: false, refusal: { code: "issuer_unreachable", retryAfter: 1 } });
    expect(asked).toBe(12);
    release();
    expect((await Promise.all(slow)).every(({ ok }) => ok)).toBe(true);
    expect(await find("late", "late")).toMatchObject({ ok: true });
  });
});
