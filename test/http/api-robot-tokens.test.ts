import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { callRaw, expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci");
});

afterAll(() => berth.remove());

const robot = "/organization/acme/robots/ci";
const staticToken = expect.stringMatching(/^berth_robot_[A-Za-z0-9_-]{49}$/);
const inSeconds = (seconds: number) => new Date(berth.clock.now() + seconds * 1000).toISOString();
const records = async (kind: string) => (await berth.api("GET", `/organization/acme/logs?kind=${kind}`)).body.logs;

describe("regenerating a robot's token", () => {
  it("answers the robot with its token, once", async () => {
    const { status, headers, body } = await berth.api("POST", `${robot}/regenerate`);
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    const got = await berth.api("GET", robot);
    expect(body).toEqual({ ...got.body, token: staticToken, token_expires_at: null });
    expect(got.body.token).toBeNull();
    expect((await berth.api("GET", "/organization/acme/robots")).body.robots[0].token).toBeNull();
    expect((await berth.api("POST", `${robot}/regenerate`, {})).body.token).not.toBe(body.token);
  });

  it("says until when it is good", async () => {
    const expiresAt = inSeconds(60);
    expect((await berth.api("POST", `${robot}/regenerate`, { expires_at: expiresAt })).body).toMatchObject({
      token: staticToken,
      token_expires_at: expiresAt,
    });
    const never = await berth.api("POST", `${robot}/regenerate`, { expires_at: null });
    expect(never.body.token_expires_at).toBeNull();
  });

  it.each([
    ["docker", "text/plain", /^printf %s 'berth_robot_\S+' \| docker login --username 'acme\+ci' .*\n$/],
    ["podman", "text/plain", /^printf %s 'berth_robot_\S+' \| podman login --username 'acme\+ci' .*\n$/],
    ["kubernetes", "application/yaml", /^apiVersion: v1\nkind: Secret\n/],
  ])("gives it ready for %s", async (format, type, text) => {
    const { status, headers, body } = await berth.api("POST", `${robot}/regenerate?format=${format}`, {});
    expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(headers.get("content-type")).toContain(type);
    expect(body).toMatch(text);
  });

  it("gives it ready as a Docker configuration, for a registry by its service", async () => {
    const path = `${robot}/regenerate?format=dockerconfigjson&registry=${encodeURIComponent(berth.host)}`;
    const { headers, body } = await berth.api("POST", path, { keep_old_seconds: 5 });
    expect(headers.get("cache-control")).toBe("no-store");
    const [[host, { auth }]] = Object.entries<{ auth: string }>(body.auths) as [[string, { auth: string }]];
    expect(host).toBe(berth.host);
    expect(Buffer.from(auth, "base64").toString()).toMatch(/^acme\+ci:berth_robot_\S+$/);
  });

  it("names the host where clients reach the registry", async () => {
    await berth.api("POST", "/registries", { service: "images", host: "images.example:5000" });
    const { body } = await berth.api("POST", `${robot}/regenerate?format=dockerconfigjson&registry=images`, {});
    expect(Object.keys(body.auths)).toEqual(["images.example:5000"]);
  });

  it("is recorded, and the token is in no record and no log", async () => {
    const { token } = (await berth.api("POST", `${robot}/regenerate`, { keep_old_seconds: 7 })).body;
    const [record] = await records("regenerate_robot_token");
    expect(record).toMatchObject({
      robot: "acme+ci",
      performer: { name: "admin" },
      outcome: "success",
      metadata: { token_id: expect.any(String), expires_at: null, keep_old_seconds: 7 },
    });
    expect(JSON.stringify(await berth.api("GET", "/logs"))).not.toContain(token);
    expect(berth.log.join("\n")).not.toContain("berth_robot_");
  });

  it("stops where so many stand beside each other that nobody would miss one", async () => {
    await berth.createRobot("acme+many");
    const again = () => berth.api("POST", "/organization/acme/robots/many/regenerate", { keep_old_seconds: 60 });
    for (let count = 1; count <= 10; count += 1) expect((await again()).status).toBe(200);
    expect(expectProblem(await again(), 409, "conflict")).toContain("keep_old_seconds");
    berth.clock.advance(61);
    expect((await again()).status).toBe(200);
  });
});

describe("no token is made", () => {
  it.each([
    { expires_at: "2020-01-01T00:00:00Z" },
    { expires_at: "tomorrow" },
    { expires_at: "9999-12-31T24:00:00Z" },
    { expires_at: 4102444800 },
    { expires: "2100-01-01T00:00:00Z" },
    { keep_old_seconds: -1 },
    { keep_old_seconds: 0.5 },
    { keep_old_seconds: 7 * 24 * 3600 + 1 },
    { keep_old_seconds: "60" },
    { keep_old_seconds: null },
    [],
    "x",
    null,
  ])("of %j", async (body) => {
    expectProblem(await berth.api("POST", `${robot}/regenerate`, body), 400, "invalid");
  });

  it.each([
    "format=helm",
    "format=",
    "registry=unknown.example",
    "registry=",
    "registry=%20'",
    "format=docker&registry=x",
  ])("where it is asked %s", async (query) => {
    const problem = expectProblem(await berth.api("POST", `${robot}/regenerate?${query}`, {}), 400, "invalid");
    expect(problem).toMatch(/^(format|registry) /);
  });

  it("in the moment that it would end", async () => {
    expectProblem(await berth.api("POST", `${robot}/regenerate`, { expires_at: inSeconds(0) }), 400, "invalid");
  });

  it("by another method, for a robot that is not there, or without an API token", async () => {
    expectProblem(await berth.api("GET", `${robot}/regenerate`), 405, "method_not_allowed");
    expectProblem(await berth.api("POST", "/organization/acme/robots/none/regenerate", {}), 404, "not_found");
    expectProblem(await berth.api("POST", "/organization/none/robots/ci/regenerate", {}), 404, "not_found");
    expectProblem(await berth.api("DELETE", "/organization/acme/robots/none/token"), 404, "not_found");
    const stranger = { authorization: "Bearer stranger" };
    expectProblem(await callRaw(berth, "POST", `${robot}/regenerate`, undefined, stranger), 401, "unauthenticated");
  });

  it("and nothing that was refused is recorded or ends a token", async () => {
    const before = (await records("regenerate_robot_token")).length;
    await berth.api("POST", `${robot}/regenerate?registry=unknown`, {});
    await berth.api("POST", `${robot}/regenerate`, { keep_old_seconds: -1 });
    expect(await records("regenerate_robot_token")).toHaveLength(before);
  });
});

describe("ending a robot's tokens", () => {
  it.each(["", "/"])("is 204, also when there is none (token%s)", async (end) => {
    await berth.api("POST", `${robot}/regenerate`, {});
    for (const ended of [1, 0]) {
      const { status, body } = await berth.api("DELETE", `${robot}/token${end}`);
      expect([status, body]).toEqual([204, ""]);
      expect((await records("delete_robot_token"))[0].metadata).toEqual({ ended });
    }
  });
});

describe("an organization's robot_tokens", () => {
  const set = (robot_tokens: unknown) => berth.api("PATCH", "/organization/acme", { robot_tokens });

  it('"on_create" gives a new robot its token in the reply that makes it, and in no other', async () => {
    expect((await set("on_create")).body.robot_tokens).toBe("on_create");
    const { status, headers, body } = await berth.api("PUT", "/organization/acme/robots/born", {});
    expect(status).toBe(201);
    expect(headers.get("cache-control")).toBe("no-store");
    const { token, token_expires_at, ...rest } = body;
    expect([token, token_expires_at]).toEqual([staticToken, null]);
    expect((await berth.api("GET", "/organization/acme/robots/born")).body).toEqual({ ...rest, token: null });
    const [record] = await records("create_robot");
    expect(record.metadata).toEqual({ token_id: expect.any(String) });
    const again = await berth.api("PUT", "/organization/acme/robots/born", {});
    expect(expectProblem(again, 400, "already_exists")).not.toContain("berth_robot_");
  });

  it('"never" ends those that there are, refuses new ones and says what to do', async () => {
    await berth.api("POST", `${robot}/regenerate`, {});
    expect((await set("never")).status).toBe(200);
    const refused = await berth.api("POST", `${robot}/regenerate`, {});
    expect(expectProblem(refused, 409, "conflict")).toMatch(/robot_tokens "never".*bind the robot/);
    expect((await berth.api("PUT", "/organization/acme/robots/unborn", {})).body.token).toBeNull();
    expect((await berth.api("DELETE", `${robot}/token`)).status).toBe(204);
    expect((await records("delete_robot_token"))[0].metadata).toEqual({ ended: 0 });
  });

  it('"on_request", the default, makes one only when asked', async () => {
    await set("on_request");
    const made = await berth.api("PUT", "/organization/acme/robots/quiet", {});
    expect(made.body.token).toBeNull();
    expect(made.body).not.toHaveProperty("token_expires_at");
    expect((await berth.api("POST", `${robot}/regenerate`, {})).body.token).toEqual(staticToken);
    await berth.createRobot("other+ci");
    expect((await berth.api("GET", "/organization/other")).body.robot_tokens).toBe("on_request");
  });

  it.each(["", "always", null, true, ["never"]])("is not %j", async (value) => {
    expectProblem(await set(value), 400, "invalid");
    expect((await berth.api("GET", "/organization/acme")).body.robot_tokens).toBe("on_request");
  });
});
