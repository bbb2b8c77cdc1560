import { describe, expect, it } from "vitest";
import type { Reach } from "../suite.ts";
import { ask } from "../target.ts";

const PATHS = ["/v2/", "/v2/auth", "/api/v1/user", "/oauth2/token", "/.well-known/jwks.json", "/docs", "/nothing"];

export function httpClauses(reach: Reach): void {
  describe("every answer", () => {
    it("has an id of its own, which a body that tells of a refusal repeats", async () => {
      const target = reach();
      const ids = new Set<string | null>();
      for (const path of PATHS) {
        const { headers, body } = await ask(target, "GET", path);
        const id = headers.get("x-request-id");
        expect(id).toMatch(/^[0-9a-f-]{36}$/);
        ids.add(id);
        const told = body.request_id ?? body.errors?.[0]?.detail.request_id;
        if (told !== undefined) expect(told).toBe(id);
      }
      expect(ids.size).toBe(PATHS.length);
    });

    it("tells browsers to keep off, and lets no other origin in", async () => {
      const target = reach();
      const foreign = { origin: "https://evil.example", "access-control-request-method": "GET" };
      for (const path of PATHS) {
        for (const method of ["GET", "OPTIONS"]) {
          const { headers } = await ask(target, method, path, { headers: foreign });
          expect(headers.get("x-content-type-options"), path).toBe("nosniff");
          expect(headers.get("x-frame-options"), path).toBe("DENY");
          expect(headers.get("content-security-policy"), path).toContain("default-src 'none'");
          expect([...headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
        }
      }
    });

    it("to a method that a path has not is 405, with those that it has", async () => {
      const target = reach();
      const authorization = `Bearer ${target.adminToken}`;
      for (const [path, allowed] of [
        ["/oauth2/token", "POST"],
        ["/oauth2/federation/robot/token", "GET, HEAD, POST"],
        ["/v2/auth", "GET, HEAD, POST"],
        ["/v2", "GET, HEAD"],
        ["/api/v1/user", "GET, HEAD"],
      ] as const) {
        const { status, headers } = await ask(target, "DELETE", path, { headers: { authorization } });
        expect([path, status, headers.get("allow")]).toEqual([path, 405, allowed]);
      }
    });

    it("to HEAD is that to GET, without its body", async () => {
      const target = reach();
      const headers = { authorization: `Bearer ${target.adminToken}` };
      for (const path of ["/healthz", "/api/v1/user", "/openapi.json", "/v2/"]) {
        const [got, head] = [
          await fetch(target.url + path, { headers }),
          await fetch(target.url + path, { method: "HEAD", headers }),
        ];
        await got.arrayBuffer();
        expect([path, head.status, await head.text()]).toEqual([path, got.status, ""]);
        expect(head.headers.get("content-type")).toBe(got.headers.get("content-type"));
      }
    });

    it("means the same with and without a final slash", async () => {
      const target = reach();
      const headers = { authorization: `Bearer ${target.adminToken}` };
      for (const path of ["/healthz", "/v2", "/v2/auth", "/api/v1/user", "/.well-known/jwks.json"]) {
        const statuses = await Promise.all(
          ["", "/"].map(async (end) => (await ask(target, "GET", path + end, { headers })).status),
        );
        expect([path, statuses[0]]).toEqual([path, statuses[1]]);
      }
    });
  });
}
