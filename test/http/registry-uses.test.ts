import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { expectProblem } from "../support/problems.ts";
import { askRegistryToken } from "../support/refusals.ts";

const DAY = 24 * 3600;
let berth: TestBerth;
let issuer: TestIssuer;
let made = 0;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  expect((await berth.api("POST", "/registries", { service: "second.example" })).status).toBe(201);
  // A day's first minute, so that no test runs into the next one.
  berth.clock.advance(DAY - ((berth.clock.now() / 1000) % DAY) + 60);
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

interface Use {
  readonly day: string;
  readonly registry: string;
  readonly repository: string;
  readonly action: string;
  readonly count: number;
  readonly last_used: string;
}

/** A robot of its own with a static token, which lives longer than a day. */
async function newRobot() {
  made += 1;
  const path = `/organization/acme/robots/robot-${made}`;
  const name = `acme+robot-${made}`;
  const everything = ["pull", "push", "delete"];
  await berth.createRobot(name, {
    federation: [{ issuer: issuer.url, subject }],
    grants: [
      { repository: "acme/*", actions: everything },
      { registry: "second.example", repository: "acme/*", actions: everything },
      { catalog: true },
    ],
  });
  const { token } = (await berth.api("POST", `${path}/regenerate`, {})).body;
  const list = async (query = ""): Promise<{ usage: Use[]; next_page?: string }> =>
    (await berth.api("GET", `${path}/usage${query}`)).body;
  return {
    name,
    path,
    use: async (scope: string, service = berth.host) => {
      const answer = await askRegistryToken(berth, `service=${service}&scope=${encodeURIComponent(scope)}`, [
        name,
        token,
      ]);
      expect(answer.status).toBe(200);
      return answer;
    },
    login: () => askRegistryToken(berth, "", [name, token]),
    list,
    counted: async () =>
      (await list()).usage.map(({ repository, action, count }) => `${repository} ${action} ${count}`),
    total: async () => (await list("?limit=500")).usage.reduce((sum, { count }) => sum + count, 0),
  };
}

const today = () => new Date(berth.clock.now()).toISOString().slice(0, 10);

describe("what a robot was given registry tokens for", () => {
  it("is counted by day, registry, repository and action, as granted and not as asked", async () => {
    const { use, list } = await newRobot();
    const first = today();
    await use("repository:acme/app:pull,push");
    await use("repository:acme/app:pull repository:other/app:pull");
    await use("repository:acme/app:pull", "second.example");
    await use("registry:catalog:*");
    await expect.poll(async () => (await list()).usage.length).toBe(4);
    berth.clock.advance(DAY);
    await use("repository:acme/app:*");
    await expect.poll(async () => (await list()).usage.length).toBe(7);
    const { usage } = await list();
    const told = usage.map(({ day, registry, repository, action, count }) => [
      day === first ? "yesterday" : day,
      registry === berth.host ? "first" : registry,
      repository,
      action,
      count,
    ]);
    const sorted = (rows: unknown[][]) => rows.map((row) => row.join(" ")).sort();
    expect(sorted(told.slice(0, 3))).toEqual(
      sorted(["delete", "pull", "push"].map((action) => [today(), "first", "acme/app", action, 1])),
    );
    expect(sorted(told.slice(3))).toEqual(
      sorted([
        ["yesterday", "first", "acme/app", "pull", 2],
        ["yesterday", "first", "acme/app", "push", 1],
        ["yesterday", "first", "registry:catalog", "*", 1],
        ["yesterday", "second.example", "acme/app", "pull", 1],
      ]),
    );
    for (const { last_used, day } of usage) expect(last_used.slice(0, 10)).toBe(day);
  });

  it("is counted to the last, however many come at once", async () => {
    const { use, counted } = await newRobot();
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(Array.from({ length: 20 }, () => use("repository:acme/app:pull")));
    }
    await expect.poll(counted).toEqual(["acme/app pull 100"]);
  });

  it("is nothing for a login, and for what was refused", async () => {
    const { login, use, counted } = await newRobot();
    await login();
    await use("repository:other/app:pull");
    await use("repository:acme/last:pull");
    await expect.poll(counted).toEqual(["acme/last pull 1"]);
  });

  it("is paged, each use once, whatever the pages' size", async () => {
    const { use, list, total } = await newRobot();
    await use(["c", "a", "b"].map((name) => `repository:acme/${name}:*`).join(" "));
    await use("repository:acme/a:pull", "second.example");
    berth.clock.advance(DAY);
    await use("repository:acme/a:pull");
    await expect.poll(total).toBe(11);
    const all = (await list("?limit=500")).usage;
    for (const limit of [1, 2, 10, 11]) {
      const paged: Use[] = [];
      for (let next = ""; ; ) {
        const { usage, next_page } = await list(`?limit=${limit}&next_page=${encodeURIComponent(next)}`);
        expect(usage.length).toBeLessThanOrEqual(limit);
        paged.push(...usage);
        if (!next_page) break;
        next = next_page;
      }
      expect(paged).toEqual(all);
    }
    const days = all.map(({ day }) => day);
    expect(days).toEqual(days.toSorted().reverse());
  });

  it("is counted together once a robot invents names, and none is lost", async () => {
    const { use, list, total } = await newRobot();
    for (let at = 0; at < 300; at += 50) {
      await use(Array.from({ length: 50 }, (_, index) => `repository:acme/invented-${at + index}:pull`).join(" "));
    }
    await expect.poll(total).toBe(300);
    expect((await list("?limit=500")).usage.length).toBeLessThan(250);
  });

  it("is not another robot's, even of the same name later", async () => {
    const one = await newRobot();
    const other = await newRobot();
    await one.use("repository:acme/app:pull");
    await expect.poll(one.counted).toEqual(["acme/app pull 1"]);
    expect(await other.counted()).toEqual([]);
    await berth.api("DELETE", one.path);
    expectProblem(await berth.api("GET", `${one.path}/usage`), 404, "not_found");
    await berth.createRobot(one.name);
    expect(await one.counted()).toEqual([]);
  });

  it.each(["x", "%5B%5D", "bnVsbA", Buffer.from('["2030-02-31","a","b","c"]').toString("base64url")])(
    "has no page %s",
    async (page) => {
      const { path } = await newRobot();
      expectProblem(await berth.api("GET", `${path}/usage?next_page=${page}`), 400, "invalid");
    },
  );

  it("is for those who may see the robot", async () => {
    const { path } = await newRobot();
    expectProblem(await call(`${berth.url}/api/v1${path}/usage`), 401, "unauthenticated");
  });
});

describe("a robot's last_accessed", () => {
  it("is there soon after it was last seen, at a login too", async () => {
    const { path, login, use } = await newRobot();
    const lastAccessed = async () => (await berth.api("GET", path)).body.last_accessed;
    const at = () => Math.floor(berth.clock.now() / 1000);
    expect(await lastAccessed()).toBeNull();
    const first = at();
    await login();
    await expect.poll(lastAccessed).not.toBeNull();
    const seen = Date.parse(await lastAccessed()) / 1000;
    expect(seen).toBeGreaterThanOrEqual(first - 1);
    berth.clock.advance(3600);
    await use("repository:other/app:pull");
    await expect.poll(async () => Date.parse(await lastAccessed()) / 1000).toBeGreaterThanOrEqual(seen + 3599);
  });

  it("does not move with a failed login", async () => {
    const { path, name } = await newRobot();
    await askRegistryToken(berth, "", [name, "hunter2"]);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect((await berth.api("GET", path)).body.last_accessed).toBeNull();
  });
});

describe("a registry token that is issued", () => {
  const lines = () =>
    berth.log.map((line) => JSON.parse(line)).filter(({ message }) => message === "registry token issued");

  it("leaves one line that tells it by its jti, and does not hold it", async () => {
    const { use, name } = await newRobot();
    const before = lines().length;
    const { headers, body } = await use("repository:acme/app:push,pull registry:catalog:*");
    const [line, ...others] = lines().slice(before);
    expect(others).toEqual([]);
    expect(line).toMatchObject({
      level: "info",
      request_id: headers.get("x-request-id"),
      robot: name,
      service: berth.host,
      scope: "repository:acme/app:pull,push registry:catalog:*",
      jti: decodeJwt(body.token).jti,
      expires_in: 900,
    });
    for (const part of body.token.split(".").slice(1)) expect(berth.log.join("\n")).not.toContain(part);
  });

  it("leaves one to nobody too", async () => {
    const before = lines().length;
    await askRegistryToken(berth, "scope=repository:acme/app:pull");
    expect(lines().slice(before)).toMatchObject([{ robot: "", scope: "" }]);
  });
});
