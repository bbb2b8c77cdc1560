import { afterAll, beforeAll, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { otherRepositories } from "../../src/domain/uses.ts";
import { limits } from "../../src/limits.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { repositoryUses } from "../../src/store/schema.ts";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { askRegistryToken } from "../support/refusals.ts";

let postgres: TestPostgres;
let database: Database;
let berth: TestBerth;

beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase("uses");
  berth = await startBerth({
    environment: {
      DATABASE_URL: url,
      BERTH_SECRET_KEY: Buffer.alloc(32, 5).toString("base64"),
      BERTH_ADMIN_TOKEN: "an-admin-token-of-the-uses",
    },
  });
  database = await openPostgres(new Secret(url));
});

afterAll(async () => {
  await Promise.all([berth.remove(), database.close()]);
  await postgres.remove();
});

const rows = () => database.db.select().from(repositoryUses);
const path = (robot: string) => `/organization/acme/robots/${robot}`;
const usage = async (robot: string): Promise<{ repository: string; count: number }[]> =>
  (await berth.api("GET", `${path(robot)}/usage?limit=500`)).body.usage;
const sum = (counted: readonly { count: number }[]) => counted.reduce((all, { count }) => all + count, 0);

/** A robot that may pull whatever is the organization's, and a way to ask as it. */
async function aRobot(robot: string) {
  await berth.createRobot(`acme+${robot}`, { grants: [{ repository: "acme/*", actions: ["pull"] }] });
  const { token } = (await berth.api("POST", `${path(robot)}/regenerate`, {})).body;
  return async (repository: string) => {
    const { status } = await askRegistryToken(berth, `scope=repository:${repository}:pull`, [`acme+${robot}`, token]);
    expect(status).toBe(200);
  };
}

it("three hundred invented names fill no table, and are all counted", async () => {
  const use = await aRobot("inventor");
  const begun = performance.now();
  await Promise.all(Array.from({ length: 300 }, (_, index) => use(`acme/invented-${index}`)));
  const minutes = (performance.now() - begun) / 60_000;
  await expect.poll(async () => sum(await usage("inventor")), { timeout: 20_000 }).toBe(300);
  const counted = await usage("inventor");
  const named = counted.filter(({ repository }) => repository !== otherRepositories);
  expect(named.length).toBeLessThanOrEqual(limits.uses.newRepositoriesPerMinute * (1 + minutes));
  expect(counted).toHaveLength(named.length + 1);
});

it("requests of nobody leave no row", async () => {
  const use = await aRobot("somebody");
  const open = { anonymous_pull: [{ repository: "acme/public/*" }] };
  expect((await berth.api("PATCH", "/organization/acme", open)).status).toBe(200);
  const before = (await rows()).length;
  for (let index = 0; index < 20; index += 1) {
    const { status } = await askRegistryToken(berth, `scope=repository:acme/public/open-${index}:pull`);
    expect(status).toBe(200);
  }
  await use("acme/app");
  // Written down together with what came before it.
  await expect.poll(async () => (await usage("somebody")).length, { timeout: 20_000 }).toBe(1);
  expect(await rows()).toHaveLength(before + 1);
});

it("a robot that is made anew has none of the counts of the one before, not even those that come late", async () => {
  const use = await aRobot("phoenix");
  await use("acme/early");
  await expect.poll(() => usage("phoenix"), { timeout: 20_000 }).toHaveLength(1);
  await use("acme/late");
  expect((await berth.api("DELETE", path("phoenix"))).status).toBe(204);
  const again = await aRobot("phoenix");
  await again("acme/new");
  await expect.poll(() => usage("phoenix"), { timeout: 20_000 }).toHaveLength(1);
  expect(await usage("phoenix")).toMatchObject([{ repository: "acme/new", count: 1 }]);
});
