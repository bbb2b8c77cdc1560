import { beforeEach, describe, expect, it } from "vitest";
import { createUses, otherRepositories, type RepositoryUse, type Uses } from "../../src/domain/uses.ts";
import { limits } from "../../src/limits.ts";
import { countUses } from "../../src/services/count-uses.ts";
import { createLimiter } from "../../src/services/limiter.ts";

const perMinute = limits.uses.newRepositoriesPerMinute;
let uses: Uses;
let counted: RepositoryUse[];
let now: number;
let use: (repository: string, robotId?: string, service?: string) => Promise<void>;

beforeEach(() => {
  uses = createUses();
  counted = [];
  now = Date.UTC(2030, 0, 1, 12);
  const clock = { now: () => now };
  const deps = { uses, limiter: createLimiter(clock) };
  use = async (name, robotId = "robot", service = "registry.example") => {
    const access = [{ type: "repository", name, actions: ["pull", "push"] }];
    counted.push(...(await countUses(deps, [{ robotId, service, access, count: 1, lastUsed: new Date(now) }])));
  };
});

/** How often which repositories were pulled by a robot, on all registries. */
function pulls(robotId = "robot"): Map<string, number> {
  const own = counted.filter((one) => one.robotId === robotId && one.action === "pull");
  const pulled = new Map<string, number>();
  for (const { repository, count } of own) pulled.set(repository, (pulled.get(repository) ?? 0) + count);
  return pulled;
}
const sum = (counts: Map<string, number>) => [...counts.values()].reduce((all, count) => all + count, 0);

async function invent(times: number, prefix: string, robotId?: string): Promise<void> {
  for (let at = 0; at < times; at += 1) await use(`acme/${prefix}-${at}`, robotId);
}

describe("a robot that invents names of repositories", () => {
  it("leaves so many of them, and the rest counted together, and none is lost", async () => {
    await invent(300, "invented");
    expect(pulls().get(otherRepositories)).toBe(300 - perMinute);
    expect(pulls().size).toBe(perMinute + 1);
    expect(sum(pulls())).toBe(300);
  });

  it("has the names that it used before counted by themselves still", async () => {
    await use("acme/app");
    await invent(300, "invented");
    await use("acme/app");
    expect(pulls().get("acme/app")).toBe(2);
  });

  it("has room for others a minute later, and not on another registry before", async () => {
    await invent(300, "invented");
    await use("acme/elsewhere", "robot", "second.example");
    expect(pulls().has("acme/elsewhere")).toBe(false);
    now += 60_000;
    await invent(300, "later");
    expect(pulls().size).toBe(2 * perMinute + 1);
    expect(sum(pulls())).toBe(601);
  });

  it("takes no other robot's room", async () => {
    await invent(300, "invented");
    await use("acme/app", "other");
    expect([...pulls("other")]).toEqual([["acme/app", 1]]);
  });
});

it("tokens that were issued for the same count together", async () => {
  const access = [
    { type: "repository", name: "acme/app", actions: ["pull", "push"] },
    { type: "registry", name: "catalog", actions: ["*"] },
  ];
  const issued = { robotId: "robot", service: "registry.example", access, lastUsed: new Date(now) };
  const deps = { uses, limiter: createLimiter({ now: () => now }) };
  const pull = [{ type: "repository", name: "acme/app", actions: ["pull"] }];
  const rows = await countUses(deps, [
    { ...issued, count: 2 },
    { ...issued, access: pull, count: 3 },
  ]);
  expect(rows.map(({ repository, action, count, day }) => [repository, action, count, day])).toEqual([
    ["acme/app", "pull", 5, "2030-01-01"],
    ["acme/app", "push", 2, "2030-01-01"],
    ["registry:catalog", "*", 2, "2030-01-01"],
  ]);
});
