import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { type QuayClient, startCurl, startRequests } from "../support/quay-clients.ts";
import { askRegistryToken } from "../support/refusals.ts";
import { describeWith } from "../support/requirements.ts";

/** Quay's calls in the order in which Ansible's modules and Terraform's providers make them, step by step. */
const text = expect.any(String);
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

function steps(start: (berth: TestBerth) => QuayClient, organization: string): void {
  let berth: TestBerth;
  let jobs: TestIssuer;
  let client: QuayClient;
  /** Of the job that is running all the while. */
  let robotToken: string;

  beforeAll(async () => {
    [berth, jobs] = await Promise.all([startBerth(), startIssuer()]);
    client = start(berth);
  });

  afterAll(async () => {
    client.close();
    await Promise.all([berth.remove(), jobs.close()]);
  });

  const robotName = `${organization}+ci`;
  const acme = `/organization/${organization}`;
  const robot = `${acme}/robots/ci`;
  const federation = `${robot}/federation`;
  const call: QuayClient["call"] = (...request) => client.call(...request);
  /** As they send a pair: with what Quay's own pages add to it. */
  const pair = (of = subject) => ({ issuer: jobs.url, subject: of, isExpanded: false });
  const isGoodPassword = async (password: string) =>
    (await askRegistryToken(berth, "", [robotName, password])).status === 200;

  /** What they show of a refusal. */
  async function expectRefused(status: number, ...request: Parameters<QuayClient["call"]>) {
    const { body, ...answer } = await call(...request);
    expect([answer.status, body.status], JSON.stringify(body)).toEqual([status, status]);
    expect(body).toMatchObject({ title: text, error_type: text, error_message: body.detail });
    return body.error_message;
  }

  it("ask whose the token is", async () => {
    const { status, body } = await call("GET", "/user/");
    expect([status, body]).toMatchObject([200, { anonymous: false, username: "admin", super_user: true }]);
  });

  it("look for the organization, create it, and find it", async () => {
    await expectRefused(404, "GET", acme);
    const email = "ops@acme.example";
    const made = await call("POST", "/organization/", { name: organization, email, recaptcha_response: "" });
    expect(made.status).toBe(201);
    expect((await call("GET", acme)).body).toMatchObject({ name: organization, email });
    await expectRefused(400, "POST", "/organization/", { name: organization });
    const changed = await call("PUT", acme, { email: "new@acme.example", tag_expiration_s: 86_400 });
    expect([changed.status, changed.body]).toMatchObject([200, { name: organization, email: "new@acme.example" }]);
  });

  it("look for the robot, create it with an empty object, and find it", async () => {
    await expectRefused(404, "GET", robot);
    await expectRefused(404, "GET", federation);
    const shape = {
      name: robotName,
      created: time,
      last_accessed: null,
      description: "",
      unstructured_metadata: {},
      token: null,
    };
    const made = await call("PUT", robot, {});
    expect([made.status, made.body]).toMatchObject([201, shape]);
    expect((await call("GET", robot)).body).toEqual(made.body);
    expect(await expectRefused(400, "PUT", robot, {})).toBe(`Existing robot with name: ${robotName}`);
  });

  it("find no federation, and put theirs, with keys of Quay's pages", async () => {
    expect(await call("GET", federation)).toEqual({ status: 200, body: [] });
    const { status, body } = await call("POST", federation, [pair()]);
    expect([status, body]).toMatchObject([200, [{ issuer: jobs.url, subject }]]);
    const { status: exchanged, body: answer } = await berth.exchange(robotName, await jobs.sign(berth.url));
    expect(exchanged).toBe(200);
    robotToken = answer.token;
    expect(await isGoodPassword(robotToken)).toBe(true);
  });

  it("put it again: nothing changes, and the job goes on", async () => {
    const before = (await call("GET", federation)).body;
    const { created, last_used: _, use_count: __, ...stays } = before[0];
    for (let again = 0; again < 3; again += 1) {
      const { status, body } = await call("POST", federation, [pair()]);
      expect([status, body]).toMatchObject([200, [{ ...stays, created }]]);
      expect(body).toHaveLength(1);
    }
    expect(await isGoodPassword(robotToken)).toBe(true);
  });

  it("add a pair, and take it away again: the other stands, in their order", async () => {
    const [{ id, version }] = (await call("GET", federation)).body;
    const more = await call("POST", federation, [pair("repo:acme/other:ref:refs/heads/main"), pair()]);
    expect(more.body.map((one: { subject: string }) => one.subject)).toEqual([
      "repo:acme/other:ref:refs/heads/main",
      subject,
    ]);
    expect(more.body[1]).toMatchObject({ id, version });
    expect((await call("POST", federation, [pair()])).body).toMatchObject([{ id, version }]);
    expect(await isGoodPassword(robotToken)).toBe(true);
  });

  it("put it again when somebody made it stricter: what is stricter stands, and so does the job", async () => {
    const [{ id, version }] = (await call("GET", federation)).body;
    const stricter = { claims: { ref: { equals: "refs/heads/main" } }, token_ttl: 600, description: "main alone" };
    expect((await berth.api("PATCH", `${federation}/bindings/${id}`, stricter)).status).toBe(200);
    expect(await isGoodPassword(robotToken)).toBe(false);
    const more = { ...pair(), isExpanded: undefined, audiences: ["https://other.example"] };
    expect((await berth.api("POST", `${federation}/bindings`, more)).status).toBe(201);
    const job = await jobs.sign(berth.url, { ref: "refs/heads/main" });
    robotToken = (await berth.exchange(robotName, job)).body.token;

    for (let again = 0; again < 3; again += 1) {
      const { status, body } = await call("POST", federation, [pair()]);
      expect([status, body]).toMatchObject([
        200,
        [
          { id, version: version + 1, ...stricter },
          { version: 1, audiences: ["https://other.example"] },
        ],
      ]);
      expect(await isGoodPassword(robotToken)).toBe(true);
    }
    const other = await jobs.sign(berth.url, { ref: "refs/heads/next" });
    expect((await berth.exchange(robotName, other)).status).toBe(400);
  });

  it("are told of a mistake in a list, which then changes nothing", async () => {
    const before = (await call("GET", federation)).body.map(({ id }: { id: string }) => id);
    await expectRefused(400, "POST", federation, [pair(), pair()]);
    await expectRefused(400, "POST", federation, [{ issuer: "ci.example", subject }]);
    await expectRefused(400, "POST", federation, [{ issuer: jobs.url }]);
    await expectRefused(400, "POST", federation, [{ ...pair(), subjects: [subject] }]);
    await expectRefused(400, "POST", federation, { federation: [pair()] });
    expect((await call("GET", federation)).body.map(({ id }: { id: string }) => id)).toEqual(before);
  });

  it("give a default permission, give it again, change it and take it away", async () => {
    const path = `${acme}/prototypes`;
    const delegate = { name: robotName, kind: "user" };
    /** As Ansible's module looks for it. */
    const find = async () =>
      (await call("GET", path)).body.prototypes.find(
        // biome-ignore lint/suspicious/noExplicitAny: what a script reads has no type
        (one: any) =>
          one.delegate.name === delegate.name && one.delegate.kind === delegate.kind && !one.activating_user?.name,
      );
    expect(await call("GET", path)).toMatchObject({ status: 200, body: { prototypes: [] } });
    expect((await call("GET", robot)).status).toBe(200);
    const made = await call("POST", path, { delegate, role: "read" });
    expect([made.status, made.body]).toMatchObject([
      200,
      { id: text, role: "read", delegate: { ...delegate, is_robot: true, is_org_member: true }, activating_user: null },
    ]);
    const { id } = made.body;
    expect(await find()).toMatchObject({ id, role: "read" });
    expect((await call("POST", path, { delegate, role: "read", activating_user: null })).body).toMatchObject({ id });
    const changed = await call("PUT", `${path}/${id}`, { role: "write" });
    expect([changed.status, changed.body]).toMatchObject([200, { id, role: "write", delegate }]);
    expect(await find()).toMatchObject({ id, role: "write" });
    expect(await call("DELETE", `${path}/${id}`)).toEqual({ status: 204, body: "" });
    expect(await find()).toBeUndefined();
    await expectRefused(404, "DELETE", `${path}/${id}`);
    await expectRefused(400, "POST", path, { delegate: { name: "owners", kind: "team" }, role: "read" });
  });

  it("give a permission on a repository, find it, and take it away", async () => {
    const users = `/repository/${organization}/team/app/permissions/user`;
    expect(await call("GET", `${users}/`)).toEqual({ status: 200, body: { permissions: {} } });
    await expectRefused(404, "GET", `${users}/${robotName}`);
    const put = await call("PUT", `${users}/${robotName}`, { role: "write" });
    expect([put.status, put.body]).toMatchObject([200, { name: robotName, role: "write", is_robot: true }]);
    expect((await call("GET", `${users}/`)).body.permissions).toEqual({ [robotName]: put.body });
    expect((await call("GET", `${robot}/permissions`)).body.permissions).toMatchObject([
      { repository: { name: "team/app", is_public: false }, role: "write" },
    ]);
    const robots = (await call("GET", `${acme}/robots?permissions=true&token=false`)).body.robots;
    expect(robots).toMatchObject([{ name: robotName, repositories: ["team/app"], teams: [], token: null }]);
    expect(await call("DELETE", `${users}/${robotName}`)).toEqual({ status: 204, body: "" });
  });

  it("make a stored token, and another in its place", async () => {
    const [one, other] = [await call("POST", `${robot}/regenerate`), await call("POST", `${robot}/regenerate`, {})];
    for (const { status, body } of [one, other])
      expect([status, body]).toMatchObject([200, { name: robotName, token: text }]);
    expect([await isGoodPassword(one.body.token), await isGoodPassword(other.body.token)]).toEqual([false, true]);
    expect((await call("GET", robot)).body).toMatchObject({ token: null, last_accessed: time });
  });

  it("create a robot with its token, where the organization has it so: Terraform's provider wants one", async () => {
    await berth.api("PATCH", acme, { robot_tokens: "on_create" });
    const made = await call("PUT", `${acme}/robots/stored`, { description: "of a provider" });
    expect([made.status, made.body]).toMatchObject([201, { token: text, description: "of a provider" }]);
    expect((await call("GET", `${acme}/robots/stored`)).body).toMatchObject({ token: null });
    expect((await call("DELETE", `${acme}/robots/stored`)).status).toBe(204);
  });

  it("read what was done", async () => {
    const { status, body } = await call("GET", `${acme}/logs`);
    expect([status, body.logs.at(-1)]).toMatchObject([
      200,
      { kind: "org_create", datetime: time, performer: { name: "admin" }, ip: text, metadata: {} },
    ]);
    const kinds = new Set(body.logs.map(({ kind }: { kind: string }) => kind));
    for (const kind of [
      "regenerate_robot_token",
      "create_robot",
      "create_robot_federation",
      "create_prototype_permission",
    ]) {
      expect(kinds).toContain(kind);
    }
  });

  it("clear the federation, and the job ends", async () => {
    expect(await call("POST", federation, [])).toEqual({ status: 200, body: [] });
    expect(await isGoodPassword(robotToken)).toBe(false);
    for (let again = 0; again < 2; again += 1) {
      expect(await call("DELETE", federation)).toEqual({ status: 204, body: "" });
    }
  });

  it("delete the robot and the organization", async () => {
    expect(await call("DELETE", robot)).toEqual({ status: 204, body: "" });
    for (const method of ["DELETE", "GET"]) await expectRefused(404, method, robot);
    expect(await call("DELETE", acme)).toEqual({ status: 204, body: "" });
    for (const method of ["DELETE", "GET"]) await expectRefused(404, method, acme);
  });
}

describeWith(["curl"], "scripts for Quay, by curl,", () => steps(startCurl, "by-curl"));
describeWith(["python3-requests"], "scripts for Quay, by Python's requests,", () =>
  steps(startRequests, "by-requests"),
);
