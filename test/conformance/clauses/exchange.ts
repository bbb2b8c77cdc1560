import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { basic } from "../../support/berth.ts";
import { expectRefusal } from "../../support/refusals.ts";
import type { Reach } from "../suite.ts";
import { ask, exchange, good, makeRobot, manage } from "../target.ts";

const ROUTE = "/oauth2/federation/robot/token";

export function exchangeClauses(reach: Reach): void {
  describe("the exchange, by Quay's route", () => {
    it("gives a robot token by GET and by POST, for nobody to keep", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      for (const method of ["GET", "POST"]) {
        for (const user of [robot.name, robot.name.replace("+", " ")]) {
          const authorization = basic(user, await target.issuer.sign(target.publicUrl));
          const { status, headers, body } = await ask(target, method, ROUTE, { headers: { authorization } });
          expect({ status, body }).toEqual({
            status: 200,
            body: {
              token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
              access_token: body.token,
              token_type: "Bearer",
              expires_in: 3600,
              issued_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
              robot: robot.name,
            },
          });
          expect(headers.get("cache-control")).toBe("no-store");
          expect(headers.get("content-type")).toMatch(/^application\/json/);
        }
      }
    });

    it("signs for one robot by one binding, for an hour at most", async () => {
      const target = reach();
      const robot = await makeRobot(target, { token_ttl: 120 });
      const token = await robot.token();
      expect(decodeProtectedHeader(token)).toMatchObject({ alg: "ES256", typ: "berth-robot+jwt" });
      const { iat = 0, exp, jti, ...claims } = decodeJwt(token);
      expect(exp).toBe(iat + 120);
      expect(jti).toMatch(/\S/);
      expect(claims).toMatchObject({ iss: target.publicUrl, sub: robot.name, aud: `${target.publicUrl}/v2/auth` });
    });

    it("is 401 for a credential that is missing or cannot be read", async () => {
      const target = reach();
      for (const [authorization, code] of [
        ["", "credential_missing"],
        [basic("acme+ci", ""), "credential_missing"],
        ["Bearer x", "credential_unreadable"],
        ["Basic !", "credential_unreadable"],
        [`Basic ${btoa("no-colon")}`, "credential_unreadable"],
      ] as const) {
        const answer = await ask(target, "GET", ROUTE, { headers: { authorization } });
        expectRefusal(answer, 401, code);
        expect(answer.headers.get("www-authenticate")).toMatch(/^Basic realm="berth"/);
      }
    });

    it("tells nothing apart to whom has proved nothing", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const token = await target.issuer.sign(target.publicUrl);
      const forged = `${token.slice(0, token.lastIndexOf("."))}.${"A".repeat(342)}`;
      const elsewhere = await target.issuer.sign(target.publicUrl, { iss: "https://unbound.example" });
      const answers = [
        await exchange(target, `${robot.organization}+nobody`, token),
        await exchange(target, "nobody+nobody", token),
        await exchange(target, robot.name, elsewhere),
        await exchange(target, robot.name, forged),
      ];
      for (const answer of answers) {
        expectRefusal(answer, 400, "token_refused");
        expect({ ...answer.body, request_id: "" }).toEqual({ ...answers[0]?.body, request_id: "" });
      }
    });

    it("says which rule failed, with the token's own value, once its signature is verified", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const now = Math.floor(Date.now() / 1000);
      for (const [audience, claims, code, value] of [
        ["https://else.example", {}, "audience_mismatch", "https://else.example"],
        [target.publicUrl, { sub: "repo:acme/other" }, "subject_mismatch", "repo:acme/other"],
        [target.publicUrl, { iat: now - 900, nbf: now - 900, exp: now - 600 }, "expired", ""],
        [target.publicUrl, { nbf: now + 600, exp: now + 900 }, "not_yet_valid", ""],
      ] as const) {
        const answer = await exchange(target, robot.name, await target.issuer.sign(audience, claims));
        expectRefusal(answer, 400, code);
        expect(answer.body.message).toContain(value);
      }
    });

    it("takes no token that Berth signed", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      expectRefusal(await exchange(target, robot.name, await robot.token()), 400, "header_not_allowed");
    });

    it("takes a token with a jti once", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const token = await target.issuer.sign(target.publicUrl, { jti: crypto.randomUUID() });
      await good(manage(target, "PATCH", `/issuers/${await issuerOf(robot.path)}`, { replay_protection: true }));
      await good(exchange(target, robot.name, token));
      expectRefusal(await exchange(target, robot.name, token), 400, "replayed");
      await good(manage(target, "PATCH", `/issuers/${await issuerOf(robot.path)}`, { replay_protection: false }));
    });

    it("leaves the reason under the request_id, with a hash of the token", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const token = await target.issuer.sign(target.publicUrl, { iss: "https://unbound.example" });
      const { body } = await exchange(target, robot.name, token);
      const { logs } = await good(manage(target, "GET", `/logs?request_id=${body.request_id}`));
      expect(logs).toHaveLength(1);
      expect(logs[0]).toMatchObject({
        kind: "federated_robot_token_exchange",
        outcome: "refused",
        code: "issuer_unbound",
        metadata: { token_sha256: expect.stringMatching(/^[\w-]{43}$/) },
      });
      expect(JSON.stringify(logs)).not.toContain(token.split(".")[2]);
    });
  });

  async function issuerOf(path: string): Promise<string> {
    const [{ issuer_id }] = await good(manage(reach(), "GET", `${path}/federation`));
    return issuer_id;
  }
}
