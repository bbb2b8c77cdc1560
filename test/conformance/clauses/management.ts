import { describe, expect, it } from "vitest";
import { subject } from "../../support/issuer.ts";
import { expectProblem } from "../../support/problems.ts";
import type { Reach } from "../suite.ts";
import { ask, exchange, good, login, makeRobot, manage, soon } from "../target.ts";

export function managementClauses(reach: Reach): void {
  describe("management", () => {
    it("says whose API token it is", async () => {
      expect(await good(manage(reach(), "GET", "/user/"))).toMatchObject({ username: "admin", super_user: true });
    });

    it("makes, shows, changes and deletes organizations and robots, in Quay's shapes", async () => {
      const target = reach();
      const made = await manage(target, "POST", "/organization/", { name: "life", email: "a@example.com" });
      expect(made.status).toBe(201);
      const robot = "/organization/life/robots/ci";
      const given = { description: "builds", unstructured_metadata: { team: "web" } };
      const { status, body } = await manage(target, "PUT", robot, given);
      expect(status).toBe(201);
      expect(body).toMatchObject({ name: "life+ci", token: null, last_accessed: null, disabled: false, ...given });
      expect(await good(manage(target, "GET", robot))).toEqual(body);
      expect((await good(manage(target, "GET", "/organization/life/robots"))).robots).toMatchObject([
        { name: "life+ci" },
      ]);
      expect(await good(manage(target, "PATCH", robot, { disabled: true }))).toEqual({ ...body, disabled: true });
      for (const path of [robot, "/organization/life"]) {
        const deleted = await manage(target, "DELETE", path);
        expect([deleted.status, deleted.body]).toEqual([204, ""]);
        expectProblem(await manage(target, "GET", path), 404, "not_found");
      }
    });

    it("refuses a name that is taken, so that Quay's clients read why", async () => {
      const target = reach();
      const { path, name, organization } = await makeRobot(target);
      const robot = await manage(target, "PUT", path, {});
      expect(expectProblem(robot, 400, "already_exists")).toBe(`Existing robot with name: ${name}`);
      expectProblem(await manage(target, "POST", "/organization/", { name: organization }), 400, "already_exists");
    });

    it("shows an API token once, and lets it do no more than its principal may", async () => {
      const target = reach();
      const { organization } = await makeRobot(target);
      await good(manage(target, "POST", "/principals", { name: "reads", roles: { [organization]: "reader" } }));
      const { token, id } = await good(manage(target, "POST", "/principals/reads/tokens", { name: "laptop" }));
      expect((await good(manage(target, "GET", "/principals/reads/tokens"))).tokens).toMatchObject([
        { id, token: null },
      ]);

      const headers = { authorization: `Bearer ${token}` };
      const read = (path: string) => ask(target, "GET", `/api/v1${path}`, { headers });
      await good(read(`/organization/${organization}/robots`));
      expectProblem(await read("/organization/elsewhere"), 404, "not_found");
      expectProblem(await read("/principals"), 403, "forbidden");
      const change = await manage(target, "PATCH", `/organization/${organization}`, { email: null }, headers);
      expectProblem(change, 403, "forbidden");
      expect((await manage(target, "DELETE", `/principals/reads/tokens/${id}`)).status).toBe(204);
      await expect.poll(async () => (await read("/user")).status, soon).toBe(401);
    });

    it("makes a robot the manager that its binding and its role allow", async () => {
      const target = reach();
      const robot = await makeRobot(target, { api: true });
      await good(
        manage(target, "PUT", `/organization/${robot.organization}/members/${robot.name}`, { role: "reader" }),
      );
      const headers = { authorization: `Bearer ${await robot.token()}` };
      await good(ask(target, "GET", `/api/v1${robot.path}`, { headers }));
      expectProblem(await manage(target, "PUT", `${robot.path}x`, {}, headers), 403, "forbidden");
    });

    it("gives grants, permissions on repositories and default permissions, which are grants alike", async () => {
      const target = reach();
      const { organization, name, path } = await makeRobot(target);
      const registry = new URL(target.publicUrl).host;
      const grants = async () => good(manage(target, "GET", `${path}/grants`));
      await good(manage(target, "PUT", `${path}/grants`, [{ repository: `${organization}/a`, actions: ["pull"] }]));
      const of = `/repository/${organization}/b/c/permissions/user/${name}`;
      expect(await good(manage(target, "PUT", of, { role: "write" }))).toMatchObject({ role: "write", name });
      const delegate = { name, kind: "user" };
      const prototype = await good(
        manage(target, "POST", `/organization/${organization}/prototypes`, { role: "read", delegate }),
      );
      expect(prototype).toMatchObject({ role: "read", delegate, warnings: [expect.any(String)] });
      expect(await grants()).toEqual([
        { registry, repository: `${organization}/a`, actions: ["pull"] },
        { registry, repository: `${organization}/b/c`, actions: ["pull", "push"] },
        { registry, repository: `${organization}/*`, actions: ["pull"] },
      ]);
      await good(manage(target, "DELETE", of));
      await good(manage(target, "DELETE", `/organization/${organization}/prototypes/${prototype.id}`));
      expect(await grants()).toMatchObject([{ repository: `${organization}/a` }]);
    });

    it("changes only what If-Match was read of", async () => {
      const target = reach();
      const { path } = await makeRobot(target);
      const read = await manage(target, "GET", path);
      const tag = read.headers.get("etag") ?? "";
      expect(tag).toMatch(/^"[^"]+"$/);
      const edit = (description: string, ifMatch: string) =>
        manage(target, "PATCH", path, { description }, { "if-match": ifMatch });
      expectProblem(await edit("stale", '"stale"'), 412, "precondition_failed");
      expect((await manage(target, "GET", path)).body).toEqual(read.body);
      const edited = await edit("fresh", tag);
      expect(edited.status).toBe(200);
      expectProblem(await edit("late", tag), 412, "precondition_failed");
      expect((await edit("again", edited.headers.get("etag") ?? "")).status).toBe(200);
    });

    it("makes once what is sent twice under one Idempotency-Key", async () => {
      const target = reach();
      const { path } = await makeRobot(target);
      const terms = { issuer: target.issuer.url, subject: "repo:acme/twice" };
      const bind = (sent: object, key: string) =>
        manage(target, "POST", `${path}/federation/bindings`, sent, { "idempotency-key": key });
      const [first, again] = [await bind(terms, "one"), await bind(terms, "one")];
      expect([first.status, again.status]).toEqual([201, 201]);
      expect(again.body).toEqual(first.body);
      expect(await good(manage(target, "GET", `${path}/federation`))).toHaveLength(2);
      expectProblem(await bind({ ...terms, subject: "repo:acme/other" }, "one"), 409, "conflict");
    });

    it("turns the key of robot tokens, and what the old one signed stays good", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const token = await robot.token();
      const kids = async () =>
        (await good(ask(target, "GET", "/.well-known/jwks.json"))).keys.map(({ kid }: { kid: string }) => kid);
      const before = await kids();
      await good(manage(target, "POST", "/keys/rotate", {}));
      expect(await kids()).not.toEqual(before);
      await good(login(target, robot.name, token));
      await good(login(target, robot.name, await robot.token()));
    });

    it("has another registry, with keys and grants of its own", async () => {
      const target = reach();
      const service = "images.example";
      await good(manage(target, "POST", "/registries", { service }));
      const robot = await makeRobot(target);
      const grants = [{ registry: service, repository: `${robot.organization}/app`, actions: ["pull"] }];
      await good(manage(target, "PUT", `${robot.path}/grants`, grants));
      const { token } = await good(login(target, robot.name, await robot.token(), `service=${service}`));
      const base = await ask(target, "GET", "/v2/", { headers: { authorization: `Bearer ${token}` } });
      expect(base.status).toBe(401);
      const config = await good(manage(target, "GET", `/registries/${service}/config/distribution`));
      expect(JSON.stringify(config)).toContain(service);
      await good(manage(target, "DELETE", `/registries/${service}?cascade=true`));
    });

    it("explains a token, and an exchange that happened, by the rules that decide", async () => {
      const target = reach();
      const robot = await makeRobot(target);
      const token = await target.issuer.sign(target.publicUrl, { sub: "repo:acme/other" });
      const refused = await exchange(target, robot.name, token);
      for (const explained of [
        await good(manage(target, "POST", `${robot.path}/federation/explain`, { token })),
        await good(manage(target, "GET", `${robot.path}/federation/explain/${refused.body.request_id}`)),
      ]) {
        expect(explained).toMatchObject({ granted: false, code: "subject_mismatch" });
        const failed = explained.bindings[0].rules.filter(({ passed }: { passed: boolean }) => passed === false);
        expect(failed).toMatchObject([{ rule: "subject", expected: subject, found: "repo:acme/other" }]);
      }
    });
  });
}
