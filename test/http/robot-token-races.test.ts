import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
let berth: TestBerth;

beforeAll(async () => {
  postgres = await startPostgres();
  berth = await startBerth({
    environment: {
      DATABASE_URL: await postgres.createDatabase("races"),
      BERTH_SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
      BERTH_ADMIN_TOKEN: "an-admin-token-of-the-races",
    },
  });
});

afterAll(async () => {
  await berth.remove();
  await postgres.remove();
});

const robot = (name: string) => `/organization/acme/robots/${name}`;
const regenerate = (name: string, body: object = {}) => berth.api("POST", `${robot(name)}/regenerate`, body);
const statuses = async (work: Promise<ApiAnswer>[]) => (await Promise.all(work)).map(({ status }) => status);

/** How many tokens there are to end. */
async function endTokens(name: string): Promise<number> {
  expect((await berth.api("DELETE", `${robot(name)}/token`)).status).toBe(204);
  const { body } = await berth.api("GET", `/logs?robot=acme%2B${name}&kind=delete_robot_token&limit=1`);
  return body.logs[0].metadata.ended;
}

describe("on PostgreSQL, of changes that meet", () => {
  it("one token is left when a robot's is regenerated many times at once", async () => {
    await berth.createRobot("acme+busy");
    const all = await statuses(Array.from({ length: 20 }, () => regenerate("busy")));
    expect(all).toEqual(Array(20).fill(200));
    expect(await endTokens("busy")).toBe(1);
  });

  it("no token outlives the setting that there are none", async () => {
    const names = Array.from({ length: 8 }, (_, index) => `r${index}`);
    for (const name of names) await berth.createRobot(`acme+${name}`);
    for (let round = 0; round < 5; round += 1) {
      await berth.api("PATCH", "/organization/acme", { robot_tokens: round % 2 ? "on_create" : "on_request" });
      const [never, ...others] = await statuses([
        berth.api("PATCH", "/organization/acme", { robot_tokens: "never" }),
        ...names.map((name) => regenerate(name, { keep_old_seconds: 60 })),
        ...names.map((name) => berth.api("PUT", robot(`${name}-${round}`), {})),
      ]);
      expect(never).toBe(200);
      expect(others.filter((status) => ![200, 201, 409].includes(status))).toEqual([]);
      for (const name of names) {
        expect(await endTokens(name)).toBe(0);
        expect(await endTokens(`${name}-${round}`)).toBe(0);
      }
    }
    await berth.api("PATCH", "/organization/acme", { robot_tokens: "on_request" });
  });

  it("every permission is put that was, and one repository has one grant", async () => {
    await berth.createRobot("acme+ci");
    const path = (name: string) => `/repository/acme/${name}/permissions/user/acme+ci`;
    const roles = ["read", "write", "admin"];
    const all = await statuses([
      ...Array.from({ length: 12 }, (_, index) => berth.api("PUT", path("app"), { role: roles[index % 3] })),
      ...Array.from({ length: 12 }, (_, index) => berth.api("PUT", path(`app${index}`), { role: "read" })),
      ...Array.from({ length: 4 }, () => berth.api("PATCH", robot("ci"), { description: "busy" })),
    ]);
    expect(all).toEqual(Array(28).fill(200));
    const grants = (await berth.api("GET", `${robot("ci")}/grants`)).body;
    expect(new Set(grants.map(({ repository }: { repository: string }) => repository)).size).toBe(13);
    expect(grants).toHaveLength(13);
  });

  it("what anybody may pull stays the organization's own", async () => {
    const change = (settings: object) => berth.api("PATCH", "/organization/acme", settings);
    for (let round = 0; round < 10; round += 1) {
      await change({ repository_prefixes: ["legacy"], anonymous_pull: [] });
      const both = await statuses([
        change({ repository_prefixes: [] }),
        change({ anonymous_pull: [{ repository: "legacy/a" }] }),
      ]);
      expect(both.toSorted()).toEqual([200, 400]);
    }
  });

  it("an organization that goes takes its robots and their tokens, or does not know new ones", async () => {
    for (let round = 0; round < 5; round += 1) {
      const organization = `gone-${round}`;
      await berth.createRobot(`${organization}+ci`);
      const path = `/organization/${organization}`;
      const [deleted, ...others] = await statuses([
        berth.api("DELETE", path),
        berth.api("POST", `${path}/robots/ci/regenerate`, {}),
        berth.api("PUT", `${path}/robots/late`, {}),
        berth.api("PATCH", path, { robot_tokens: "never" }),
        berth.api("PUT", `/repository/${organization}/app/permissions/user/${organization}+ci`, { role: "read" }),
      ]);
      expect(deleted).toBe(204);
      expect(others.filter((status) => ![200, 201, 404, 409].includes(status))).toEqual([]);
      expect((await berth.api("GET", path)).status).toBe(404);
    }
  });
});
