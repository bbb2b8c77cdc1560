import { describe, expect, it } from "vitest";
import { limits } from "../../../src/limits.ts";
import { basic } from "../../support/berth.ts";
import { expectProblem } from "../../support/problems.ts";
import type { Reach } from "../suite.ts";
import { ask, exchange, makeRobot, manage } from "../target.ts";

export function refusalClauses(reach: Reach): void {
  describe("a refusal", () => {
    it("of the management API is problem details (RFC 9457) and Quay's shape at once", async () => {
      const target = reach();
      expectProblem(await ask(target, "GET", "/api/v1/user"), 401, "unauthenticated");
      const unknown = { headers: { authorization: "Bearer unknown" } };
      expectProblem(await ask(target, "GET", "/api/v1/user", unknown), 401, "unauthenticated");
      expectProblem(await manage(target, "GET", "/organization/nothing"), 404, "not_found");
      expectProblem(await manage(target, "GET", "/nothing"), 404, "not_found");
    });

    it("names every problem of a body with its place", async () => {
      const target = reach();
      const { path } = await makeRobot(target);
      const answer = await manage(target, "POST", `${path}/federation/bindings`, { subject: 1, token_ttl: 1 });
      expectProblem(answer, 400, "invalid");
      const places = answer.body.errors.map((problem: { path: unknown[] }) => problem.path.join("."));
      expect(places).toEqual(expect.arrayContaining(["issuer", "subject", "token_ttl"]));
    });

    it("is 400 where a body is no JSON, is another type, or says a thing twice", async () => {
      const target = reach();
      const { path } = await makeRobot(target);
      for (const [type, body] of [
        ["application/json", "{"],
        ["application/json", '{"disabled":true,"disabled":false}'],
        ["application/json", '{"description":"\\u0000"}'],
        ["text/plain", "{}"],
      ] as const) {
        const headers = { authorization: `Bearer ${target.adminToken}`, "content-type": type };
        expectProblem(await ask(target, "PATCH", `/api/v1${path}`, { headers, body }), 400, "invalid");
      }
    });

    it("is 413 for a body beyond what its surface takes", async () => {
      const target = reach();
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const body = `x=${"x".repeat(limits.http.exchangeBodyBytes)}`;
      for (const path of ["/oauth2/token", "/oauth2/revoke", "/oauth2/federation/robot/token", "/v2/auth"]) {
        expect({ path, status: (await ask(target, "POST", path, { headers, body })).status }).toEqual({
          path,
          status: 413,
        });
      }
      const large = await manage(target, "POST", "/organization/", { name: "x".repeat(limits.http.apiBodyBytes) });
      expectProblem(large, 413, "body_too_large");
    });

    it("is 400 for a token beyond 16 KiB, which is let through to be told so", async () => {
      const target = reach();
      const { name } = await makeRobot(target);
      const { status, body } = await exchange(target, name, "x".repeat(limits.token.bytes + 1));
      expect([status, body.code]).toEqual([400, "token_too_large"]);
    });

    it("is never a 500, whatever stands in the URL or the headers", async () => {
      const target = reach();
      const authorization = `Bearer ${target.adminToken}`;
      for (const path of [
        ...["/%00", "/v2/auth?service=%00", "/api/v1/organization/%00", "/api/v1/organization/%ff", "/oauth2/%2e%2e/x"],
        ...[
          "/api/v1/logs?limit=-1",
          "/api/v1/logs?next_page=x",
          "/api/v1/logs?starttime=x",
          "/registries/%ff/jwks.json",
        ],
        ...[
          "/v2/auth?scope=%ff",
          "/v2/auth?scope=::::",
          "/api/v1/repository//permissions/user/",
          `/${"a".repeat(4000)}`,
        ],
      ]) {
        for (const headers of [
          { authorization },
          { authorization: basic("\u{1f511}", "\u0000") },
          { authorization: "x" },
        ]) {
          const { status } = await ask(target, "GET", path, { headers });
          expect([path, status >= 400 && status < 500]).toEqual([path, true]);
        }
      }
      const odd = { "if-match": "*,", "idempotency-key": " ", authorization };
      expectProblem(await ask(target, "POST", "/api/v1/organization", { headers: odd, body: "{}" }), 400, "invalid");
    });
  });
}
