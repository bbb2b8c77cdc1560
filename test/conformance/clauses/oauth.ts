import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { expectRefusal, jwtType, tokenExchange } from "../../support/refusals.ts";
import type { Reach } from "../suite.ts";
import { ask, good, login, makeRobot, postForm, type Robot } from "../target.ts";

export function oauthClauses(reach: Reach): void {
  /** The form of a good exchange; `given` replaces parameters or, with undefined, removes them. */
  async function formFor({ name }: Robot, given: Record<string, string | undefined> = {}): Promise<[string, string][]> {
    const target = reach();
    const parameters: Record<string, string | undefined> = {
      grant_type: tokenExchange,
      subject_token: await target.issuer.sign(target.publicUrl),
      subject_token_type: jwtType,
      resource: `urn:berth:robot:${name}`,
      ...given,
    };
    return Object.entries(parameters).filter((one): one is [string, string] => one[1] !== undefined);
  }

  describe("token exchange (RFC 8693)", () => {
    it("gives the robot token in the RFC's members, for each type of token that it takes", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      for (const type of ["jwt", "access_token", "id_token"]) {
        for (const kind of ["berth", "quay"]) {
          const subject_token_type = `urn:ietf:params:oauth:token-type:${type}`;
          const form = await formFor(robot, { subject_token_type, resource: `urn:${kind}:robot:${robot.name}` });
          const { status, headers, body } = await postForm(target, "/oauth2/token", form);
          expect({ status, body }).toEqual({
            status: 200,
            body: {
              access_token: expect.any(String),
              issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
              token_type: "Bearer",
              expires_in: 3600,
            },
          });
          expect(headers.get("cache-control")).toBe("no-store");
          expect(decodeJwt(body.access_token).sub).toBe(robot.name);
        }
      }
    });

    it("narrows by scope, and the registry token with it", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const scope = `repository:${robot.organization}/app:pull`;
      const { access_token, ...rest } = await good(postForm(target, "/oauth2/token", await formFor(robot, { scope })));
      expect(rest.scope).toBe(scope);
      const asked = `scope=repository:${robot.organization}/app:pull,push&scope=repository:${robot.organization}/web:pull`;
      const { token } = await good(login(target, robot.name, access_token, asked));
      expect(decodeJwt(token).access).toEqual([
        { type: "repository", name: `${robot.organization}/app`, actions: ["pull"] },
      ]);
    });

    it("refuses parameters that are not right, in OAuth's words", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      for (const [given, error] of [
        [{ grant_type: undefined }, "invalid_request"],
        [{ grant_type: "client_credentials" }, "unsupported_grant_type"],
        [{ subject_token: undefined }, "invalid_request"],
        [{ subject_token_type: "urn:x" }, "invalid_request"],
        [{ actor_token: "x" }, "invalid_request"],
        [{ audience: "https://else.example" }, "invalid_target"],
        [{ resource: undefined }, "invalid_target"],
        [{ scope: "everything" }, "invalid_scope"],
      ] as const) {
        const { status, body } = await postForm(target, "/oauth2/token", await formFor(robot, given));
        expect({ given, status, error: body.error }).toEqual({ given, status: 400, error });
        expect(body.error_description).toBe(body.message);
      }
      const twice = [...(await formFor(robot)), ["resource", "urn:berth:robot:a+b"]] as [string, string][];
      expectRefusal(await postForm(target, "/oauth2/token", twice), 400, "request_invalid");
    });

    it("refuses JSON", async () => {
      const target = reach();
      const body = JSON.stringify(Object.fromEntries(await formFor(await makeRobot(target))));
      const headers = { "content-type": "application/json" };
      expectRefusal(await ask(target, "POST", "/oauth2/token", { headers, body }), 400, "request_invalid");
    });
  });

  describe("revocation (RFC 7009)", () => {
    it("ends the holder's robot token, and says nothing of any other", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const [token, other] = [await robot.token(), await robot.token()];
      for (const one of [token, token, "x", `${other.slice(0, -4)}AAAA`]) {
        const { status, headers, body } = await postForm(target, "/oauth2/revoke", { token: one });
        expect([status, body, headers.get("cache-control")]).toEqual([200, "", "no-store"]);
      }
      expect((await login(target, robot.name, token)).status).toBe(401);
      expect((await login(target, robot.name, other)).status).toBe(200);
      expectRefusal(await postForm(target, "/oauth2/revoke", {}), 400, "request_invalid");
    });
  });
}
