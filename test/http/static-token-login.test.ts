import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { askRegistryToken } from "../support/refusals.ts";
import { describeWith } from "../support/requirements.ts";
import { run } from "../support/run.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

let robots = 0;

/** A robot of its own organization, which may push there. */
async function newRobot() {
  robots += 1;
  const organization = `acme-${robots}`;
  const name = `${organization}+ci`;
  await berth.createRobot(name, { grants: [{ repository: `${organization}/*`, actions: ["pull", "push"] }] });
  const path = `/organization/${organization}/robots/ci`;
  const regenerate = async (given: object = {}): Promise<string> =>
    (await berth.api("POST", `${path}/regenerate`, given)).body.token;
  const login = (token: string, username = name) =>
    askRegistryToken(berth, `scope=repository:${organization}/app:*`, [username, token]);
  return { organization, name, path, regenerate, login };
}

/** Why the token endpoint refuses a login. */
async function reasonOf(login: ReturnType<typeof askRegistryToken>): Promise<string> {
  const { status, body } = await login;
  expect(status).toBe(401);
  return body.errors[0].message;
}

describe("a static robot token", () => {
  it("is a password for what its robot holds, at once", async () => {
    const { organization, name, regenerate, login } = await newRobot();
    const { status, body } = await login(await regenerate());
    expect(status).toBe(200);
    expect(decodeJwt(body.token)).toMatchObject({
      sub: name,
      access: [{ type: "repository", name: `${organization}/app`, actions: ["pull", "push"] }],
    });
  });

  it("of a robot that was made with it is one too", async () => {
    const { organization } = await newRobot();
    await berth.api("PATCH", `/organization/${organization}`, { robot_tokens: "on_create" });
    const { token } = (await berth.api("PUT", `/organization/${organization}/robots/born`, {})).body;
    expect((await askRegistryToken(berth, "", [`${organization}+born`, token])).status).toBe(200);
  });

  it("ends when the next one is made", async () => {
    const { regenerate, login } = await newRobot();
    const [first, second] = [await regenerate(), await regenerate()];
    expect(await reasonOf(login(first))).toMatch(/ended/);
    expect((await login(second)).status).toBe(200);
  });

  it("stands beside the next one for as long as was said, and no longer than it would have", async () => {
    const { regenerate, login } = await newRobot();
    const expiresAt = new Date(berth.clock.now() + 30_000).toISOString();
    const first = await regenerate({ expires_at: expiresAt });
    const second = await regenerate({ keep_old_seconds: 60 });
    const third = await regenerate({ keep_old_seconds: 60 });
    const standing = async () => Promise.all([first, second, third].map(async (token) => (await login(token)).status));
    expect(await standing()).toEqual([200, 200, 200]);
    berth.clock.advance(31);
    expect(await standing()).toEqual([401, 200, 200]);
    berth.clock.advance(30);
    expect(await standing()).toEqual([401, 401, 200]);
  });

  it("is refused by name once it has expired", async () => {
    const { regenerate, login } = await newRobot();
    const token = await regenerate({ expires_at: new Date(berth.clock.now() + 5000).toISOString() });
    expect((await login(token)).status).toBe(200);
    berth.clock.advance(6);
    expect(await reasonOf(login(token))).toMatch(/expired at/);
  });

  it.each([
    ["its robot's tokens are ended", "DELETE", "/robots/ci/token", undefined],
    ["its robot is disabled", "PATCH", "/robots/ci", { disabled: true }],
    ["its robot is deleted", "DELETE", "/robots/ci", undefined],
    ["its organization has no tokens any more", "PATCH", "", { robot_tokens: "never" }],
    ["its organization is deleted", "DELETE", "", undefined],
  ])("ends when %s", async (_, method, path, body) => {
    const { organization, regenerate, login } = await newRobot();
    const token = await regenerate();
    expect((await login(token)).status).toBe(200);
    await berth.api(method, `/organization/${organization}${path}`, body);
    expect(await reasonOf(login(token))).toMatch(/ended/);
  });

  it("is good for no other robot, in no other spelling and at no other door", async () => {
    const [one, other] = [await newRobot(), await newRobot()];
    const token = await one.regenerate();
    expect(await reasonOf(one.login(token, other.name))).toMatch(/another robot/);
    for (const wrong of [`${token} `, token.slice(0, -1), token.toLowerCase(), token.replace("berth_robot_", "")]) {
      await reasonOf(one.login(wrong));
    }
    const authorization = { authorization: `Bearer ${token}` };
    expect((await fetch(`${berth.url}/api/v1/user/`, { headers: authorization })).status).toBe(401);
    expect((await fetch(`${berth.url}/v2/`, { headers: authorization })).status).toBe(401);
    expect((await berth.exchange(one.name, token)).status).toBe(400);
  });

  it("is in no log line", () => {
    expect(berth.log.join("\n")).not.toContain("berth_robot_");
  });
});

describeWith(["docker"], "the command that regenerating gives", () => {
  it("logs the Docker CLI in as it stands", async () => {
    const { name, path } = await newRobot();
    const { body: command } = await berth.api("POST", `${path}/regenerate?format=docker`, {});
    const directory = await mkdtemp(join(tmpdir(), "berth-docker-"));
    try {
      const environment = { HOME: directory, DOCKER_CONFIG: directory, DOCKER_HOST: `unix://${directory}/no-daemon` };
      const { stdout } = await run("sh", ["-c", command], { environment });
      expect(stdout, name).toMatch(/^Login Succeeded/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
