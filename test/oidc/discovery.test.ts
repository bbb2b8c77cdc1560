import { describe, expect, it } from "vitest";
import { isPlainText } from "../../src/domain/text.ts";
import { createIssuerKeys } from "../../src/oidc/issuers.ts";
import { jsonResponse, keySetOf, sourceOf } from "../support/fake-issuer.ts";

/** Asks for the keys of `issuer`, whose discovery document is `document`; tells what was asked for. */
async function discover(issuer: string, document: Response | unknown, allowInsecure = false) {
  const requests: string[] = [];
  const keys = createIssuerKeys({
    async fetch(url, init) {
      requests.push(url);
      expect(init).toMatchObject({ redirect: "manual" });
      if (!url.includes("/.well-known/")) return jsonResponse(keySetOf("a"));
      return document instanceof Response ? document : jsonResponse(document);
    },
    publicUrl: "https://berth.example",
    allowInsecure,
    now: () => 0,
  });
  const result = await keys.find(sourceOf(issuer), "a", "acme");
  return { requests, outcome: result.ok ? "found" : result.refusal.code };
}

const keySet = "https://keys.example/jwks";

describe("discovery", () => {
  it.each([
    ["https://ci.example", "https://ci.example/.well-known/openid-configuration"],
    ["https://ci.example/", "https://ci.example/.well-known/openid-configuration"],
    ["https://ci.example/realms/Main", "https://ci.example/realms/Main/.well-known/openid-configuration"],
    ["https://ci.example/realms/Main/", "https://ci.example/realms/Main/.well-known/openid-configuration"],
    ["https://ci.example:8443/a%20b", "https://ci.example:8443/a%20b/.well-known/openid-configuration"],
  ])("of %s asks %s", async (issuer, url) => {
    const { requests, outcome } = await discover(issuer, { issuer, jwks_uri: keySet });
    expect(outcome).toBe("found");
    expect(requests).toEqual([url, keySet]);
  });

  it.each([
    ["https://ci.example", "https://ci.example/"],
    ["https://ci.example/", "https://ci.example"],
    ["https://ci.example", "https://CI.example"],
    ["https://ci.example", "https://ci.example:443"],
    ["https://ci.example/realms/main", "https://ci.example/realms/Main"],
    ["https://ci.example/a", "https://ci.example/b/../a"],
    ["https://ci.example/~a", "https://ci.example/%7Ea"],
    ["https://ci.example", "https://evil.example"],
    ["https://ci.example", undefined],
    ["https://ci.example", 1],
  ])("of %s refuses a document that says %s", async (issuer, said) => {
    const { requests, outcome } = await discover(issuer, { issuer: said, jwks_uri: keySet });
    expect(outcome).toBe("issuer_keys_invalid");
    expect(requests).not.toContain(keySet);
  });

  it.each<[string, unknown]>([
    ["has no jwks_uri", { issuer: "https://ci.example" }],
    ["has a jwks_uri that is no text", { issuer: "https://ci.example", jwks_uri: 1 }],
    ["has a jwks_uri on plain http", { issuer: "https://ci.example", jwks_uri: "http://keys.example/jwks" }],
    ["has a jwks_uri of another protocol", { issuer: "https://ci.example", jwks_uri: "file:///etc/passwd" }],
    ["has a jwks_uri with a password", { issuer: "https://ci.example", jwks_uri: "https://a:b@keys.example/" }],
    ["has a jwks_uri that is no URL", { issuer: "https://ci.example", jwks_uri: "/jwks" }],
    ["has a jwks_uri on loopback", { issuer: "https://ci.example", jwks_uri: "https://127.0.0.1/jwks" }],
    ["has a jwks_uri on loopback, spelled oddly", { issuer: "https://ci.example", jwks_uri: "https://0x7f.1/jwks" }],
    ["has a jwks_uri on the metadata service", { issuer: "https://ci.example", jwks_uri: "https://169.254.169.254/" }],
    ["has a jwks_uri on mapped loopback", { issuer: "https://ci.example", jwks_uri: "https://[::ffff:127.0.0.1]/" }],
    ["is a list", []],
    ["is null", null],
    ["is HTML", new Response("<html>", { headers: { "content-type": "text/html" } })],
    ["is not there", new Response("", { status: 404 })],
    ["is a redirect", new Response(null, { status: 301, headers: { location: "https://ci.example/elsewhere" } })],
  ])("refuses a document that %s, and asks nobody else", async (_, document) => {
    const { requests, outcome } = await discover("https://ci.example", document);
    expect(outcome).toMatch(/^issuer_(unreachable|keys_invalid)$/);
    expect(requests).toHaveLength(1);
  });

  it.each(["http://ci.example", "https://127.0.0.1", "https://2130706433", "https://[::1]", "https://10.0.0.1"])(
    "asks nobody for the keys of %s",
    async (issuer) => {
      const { requests, outcome } = await discover(issuer, { issuer, jwks_uri: keySet });
      expect(outcome).toMatch(/^issuer_(unreachable|keys_invalid)$/);
      expect(requests).toEqual([]);
    },
  );

  it("asks hosts of one's own network over http where development allows it, and link-local ones never", async () => {
    const home = "http://127.0.0.1:9000";
    expect((await discover(home, { issuer: home, jwks_uri: `${home}/jwks` }, true)).outcome).toBe("found");
    const { requests } = await discover("http://169.254.169.254", {}, true);
    expect(requests).toEqual([]);
  });

  it.each<[string, string, () => Response]>([
    ["at a forbidden address", "https://10.0.0.1", () => jsonResponse({})],
    ["that redirects", "https://keys.example", () => new Response(null, { status: 302 })],
    ["that is too big", "https://keys.example", () => new Response("x".repeat(200_000))],
    [
      "that cannot be reached",
      "https://keys.example",
      () => {
        throw new Error("connection refused");
      },
    ],
  ])("tells of a jwks_uri %s in plain text, however it is written", async (_, host, answer) => {
    const issuer = "https://ci.example";
    const hostile = `${host}/\u0000\ud800${"x".repeat(5000)}`;
    const keys = createIssuerKeys({
      fetch: async (url) => (url.startsWith(issuer) ? jsonResponse({ issuer, jwks_uri: hostile }) : answer()),
      publicUrl: "https://berth.example",
      allowInsecure: false,
      now: () => 0,
    });
    const result = await keys.find(sourceOf(issuer), "a", "acme");
    const detail = !result.ok && "detail" in result.refusal ? result.refusal.detail : "";
    expect(isPlainText(detail)).toBe(true);
    expect(detail.length).toBeGreaterThan(0);
    expect(detail.length).toBeLessThan(1000);
  });
});
