import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";

const PLAIN = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
};
const FOREIGN = { origin: "https://evil.example", "access-control-request-headers": "authorization" };

let berth: TestBerth;
let behindTls: TestBerth;
let port: number;
/** Every path that the service has, and some that it has not. */
let paths: string[];

beforeAll(async () => {
  port = await freePort();
  [berth, behindTls] = await Promise.all([
    startBerth(),
    startBerth({ port, environment: { PUBLIC_URL: "https://berth.example" } }),
  ]);
  const { body } = await call(`${berth.url}/openapi.json`);
  paths = [
    ...Object.keys(body.paths).map((path) => path.replaceAll(/\{\w+\}/g, "x")),
    ...["/", "/nothing", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/schemas/state.json"],
    ...["/v2/", "/v2/auth", "/auth", "/auth/token", `/registries/${encodeURIComponent(berth.host)}/jwks.json`],
    ...["/registries/x/certs.pem", `/registries/${encodeURIComponent(berth.host)}/certs.pem`],
    ...["/oauth2/token", "/oauth2/revoke", "/oauth2/federation/robot/token", "/oauth2/nothing"],
    ...["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"],
  ];
});

afterAll(() => Promise.all([berth.remove(), behindTls.remove()]));

const chosen = (headers: Headers) => Object.fromEntries(Object.keys(PLAIN).map((name) => [name, headers.get(name)]));

describe("every answer", () => {
  it.each(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])("tells a browser to keep off: %s", async (method) => {
    expect(paths.length).toBeGreaterThan(60);
    for (const path of paths) {
      for (const authorization of ["", `Bearer ${berth.adminToken}`]) {
        const answer = await fetch(berth.url + path, { method, headers: { ...FOREIGN, authorization } });
        const { headers, status } = answer;
        await answer.text();
        const isPage = path === "/docs" && (method === "GET" || method === "HEAD");
        const expected = isPage
          ? { ...PLAIN, "content-security-policy": expect.stringMatching(/^default-src 'none'; style-src 'sha256-/) }
          : PLAIN;
        expect({ path, status, ...chosen(headers) }).toEqual({ path, status, ...expected });
        const told = [...headers.keys()];
        expect(
          told.filter((name) => /^access-control-|^set-cookie|^strict-transport|^server$|^x-powered/.test(name)),
        ).toEqual([]);
        if (path.startsWith("/api/")) expect(headers.get("cache-control"), path).toBe("no-store");
        expect(status, `${method} ${path}`).toBeLessThan(500);
      }
    }
  });

  it("has them where its body is refused, too", async () => {
    const { status, headers } = await call(`${berth.url}/oauth2/token`, {
      method: "POST",
      body: "x".repeat(limits.http.exchangeBodyBytes + 1),
    });
    expect({ status, ...chosen(headers) }).toEqual({ status: 413, ...PLAIN });
  });

  it("asks for https by HSTS where that is how the service is reached", async () => {
    for (const path of ["/healthz", "/nothing", "/api/v1/user", "/v2/"]) {
      const { headers } = await call(`http://127.0.0.1:${port}${path}`);
      expect(headers.get("strict-transport-security"), path).toBe("max-age=31536000");
    }
  });
});

describe("a page of another origin", () => {
  it.each(["/api/v1/user", "/oauth2/token", "/v2/auth", "/.well-known/jwks.json", "/openapi.json"])(
    "is let through nowhere by a preflight: %s",
    async (path) => {
      const { status, headers } = await call(berth.url + path, {
        method: "OPTIONS",
        headers: { ...FOREIGN, "access-control-request-method": "GET" },
      });
      expect([401, 404, 405]).toContain(status);
      expect([...headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
    },
  );
});
