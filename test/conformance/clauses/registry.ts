import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { type ApiAnswer, basic } from "../../support/berth.ts";
import type { Reach } from "../suite.ts";
import { ask, good, login, makeRobot, manage, postForm, soon, type Target } from "../target.ts";

const PATHS = ["/v2/auth", "/auth/token", "/auth"];
const accessOf = (token: string) => decodeJwt<{ access: unknown }>(token).access;

/** An error as the OCI distribution specification has it. */
function expectError(answer: ApiAnswer, status: number, code: string): void {
  expect(answer).toMatchObject({
    status,
    body: {
      errors: [{ code, message: expect.any(String), detail: { request_id: answer.headers.get("x-request-id") } }],
    },
  });
  expect(answer.headers.has("www-authenticate")).toBe(status === 401);
}

const base = (target: Target, authorization?: string) =>
  ask(target, "GET", "/v2/", { headers: { ...(authorization && { authorization }) } });

export function registryClauses(reach: Reach): void {
  describe("GET /v2/", () => {
    it("challenges for the default registry, and lets its registry token in", async () => {
      const target = reach();
      const challenged = await base(target);
      expectError(challenged, 401, "UNAUTHORIZED");
      const service = new URL(target.publicUrl).host;
      expect(challenged.headers.get("www-authenticate")).toBe(
        `Bearer realm="${target.publicUrl}/v2/auth",service="${service}"`,
      );
      expect(challenged.headers.get("docker-distribution-api-version")).toBe("registry/2.0");

      const robot = await makeRobot(target);
      const { token } = await good(login(target, robot.name, await robot.token(), `service=${service}`));
      const opened = await base(target, `Bearer ${token}`);
      expect([opened.status, opened.body]).toEqual([200, {}]);
      expect(opened.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
      for (const bad of [`Bearer ${token.slice(0, -4)}AAAA`, `Bearer ${await robot.token()}`, "Bearer x"]) {
        expectError(await base(target, bad), 401, "UNAUTHORIZED");
      }
    });
  });

  describe("the registry token endpoint", () => {
    it("takes a credential however a client brings it, at each of its paths", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const password = await robot.token();
      const scope = `repository:${robot.organization}/app:pull`;
      const authorization = basic(robot.name, password);
      const access = [{ type: "repository", name: `${robot.organization}/app`, actions: ["pull"] }];
      for (const path of PATHS) {
        const answers = [
          await ask(target, "GET", `${path}?scope=${scope}`, { headers: { authorization } }),
          await ask(target, "GET", `${path}?scope=${scope}`, { headers: { authorization: basic("", password) } }),
          await ask(target, "POST", path, { headers: { authorization }, body: new URLSearchParams({ scope }) }),
          await postForm(target, path, { grant_type: "password", username: robot.name, password, scope }),
          await postForm(target, path, { grant_type: "refresh_token", refresh_token: password, scope }),
        ];
        for (const { status, headers, body } of answers) {
          expect(status, JSON.stringify(body)).toBe(200);
          expect(body).toMatchObject({ token: body.access_token, expires_in: 900, issued_at: expect.any(String) });
          expect(headers.get("cache-control")).toBe("no-store");
          expect(accessOf(body.token)).toEqual(access);
        }
        expect(answers.map(({ body }) => body.scope)).toEqual([undefined, undefined, scope, scope, scope]);
      }
    });

    it("gives what is asked for and held, scope by scope, and nothing else", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const password = await robot.token();
      const { organization } = robot;
      const asked = [
        `repository:${organization}/app:pull,push,delete`,
        `repository:${organization}/web:*`,
        "repository:somebody/else:pull",
        "registry:catalog:*",
      ];
      const query = asked.map((scope) => `scope=${encodeURIComponent(scope)}`).join("&");
      const expected = [
        { type: "repository", name: `${organization}/app`, actions: ["pull", "push"] },
        { type: "repository", name: `${organization}/web`, actions: ["pull", "push"] },
      ];
      for (const one of [query, `scope=${encodeURIComponent(asked.join(" "))}`]) {
        const { token } = await good(login(target, robot.name, password, one));
        expect(accessOf(token)).toEqual(expected);
      }
      expect(accessOf((await good(login(target, robot.name, password))).token)).toEqual([]);
    });

    it("says in the token what registries check", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const { token, issued_at } = await good(login(target, robot.name, await robot.token()));
      const { iat, nbf, exp, jti, ...claims } = decodeJwt(token);
      const issuedAt = Math.floor(Date.parse(issued_at) / 1000);
      expect([iat, nbf, exp]).toEqual([issuedAt - 30, issuedAt - 30, issuedAt + 900]);
      expect(jti).toMatch(/\S/);
      expect(claims).toMatchObject({
        iss: target.publicUrl,
        sub: robot.name,
        aud: new URL(target.publicUrl).host,
        access: [],
      });
    });

    it("refuses a credential that is not the robot's, with a challenge that clients show", async () => {
      const target = reach();
      const [robot, other] = [await makeRobot(target), await makeRobot(target)];
      const token = await robot.token();
      const registryToken = (await good(login(target, robot.name, token))).token;
      for (const [name, password] of [
        [robot.name, "hunter2"],
        [other.name, token],
        ["nobody+nobody", token],
        [robot.organization, token],
        [robot.name, registryToken],
        [robot.name, await target.issuer.sign(target.publicUrl)],
      ] as const) {
        const answer = await login(target, name, password);
        expectError(answer, 401, "UNAUTHORIZED");
        expect(answer.headers.get("www-authenticate")).toMatch(/^Basic realm="/);
      }
      expectError(await ask(target, "GET", "/v2/auth"), 401, "UNAUTHORIZED");
    });

    it("gives whoever does not log in what is open to everybody", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const repository = `${robot.organization}/public`;
      await good(manage(target, "PATCH", `/organization/${robot.organization}`, { anonymous_pull: [{ repository }] }));
      const { status, body } = await ask(target, "GET", `/v2/auth?scope=repository:${repository}:pull,push`);
      expect(status).toBe(200);
      expect(accessOf(body.token)).toEqual([{ type: "repository", name: repository, actions: ["pull"] }]);
    });

    it("refuses a service and a scope that there are not", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const token = await robot.token();
      for (const query of ["service=other.example", "scope=pull", "scope=repository:pull"]) {
        expectError(await login(target, robot.name, token, query), 400, "UNSUPPORTED");
      }
    });

    it("takes a robot token no more once its binding is gone or changed", async () => {
      const target = reach();
      for (const end of ["delete", "change"]) {
        const robot = await makeRobot(target);
        const token = await robot.token();
        await good(login(target, robot.name, token));
        const [binding] = await good(manage(target, "GET", `${robot.path}/federation`));
        const path = `${robot.path}/federation/bindings/${binding.id}`;
        await good(
          end === "delete" ? manage(target, "DELETE", path) : manage(target, "PATCH", path, { token_ttl: 60 }),
        );
        await expect.poll(async () => (await login(target, robot.name, token)).status, soon).toBe(401);
      }
    });

    it("takes a static token until it is ended", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const { token } = await good(manage(target, "POST", `${robot.path}/regenerate`, {}));
      await good(login(target, robot.name, token));
      expect((await manage(target, "GET", robot.path)).body.token).toBeNull();
      expect((await manage(target, "DELETE", `${robot.path}/token`)).status).toBe(204);
      await expect.poll(async () => (await login(target, robot.name, token)).status, soon).toBe(401);
    });
  });
}
