import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { type ManagementCall, makePrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";
import { askRegistryToken } from "../support/refusals.ts";

/** A name that an organization gives up leaves it nothing that would reach into what the next one keeps there. */

let database: TestPostgres;
let berth: TestBerth;
let made = 0;

beforeAll(async () => {
  database = await startPostgres();
  const environment = {
    DATABASE_URL: await database.createDatabase("berth"),
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
  };
  berth = await startBerth({ environment });
});

afterAll(async () => {
  await berth.remove();
  await database.remove();
});

interface Owner {
  readonly organization: string;
  /** What is its own beside `organization/…`. */
  readonly prefix: string;
  readonly path: string;
  prefixes(...names: string[]): Promise<ApiAnswer>;
  grant(...repositories: string[]): Promise<ApiAnswer>;
}

/** An organization with a robot, and a name of its own more. */
async function makeOwner(): Promise<Owner> {
  made += 1;
  const [organization, prefix] = [`owner-${made}`, `old-${made}`];
  const path = `/organization/${organization}`;
  await berth.createRobot(`${organization}+ci`);
  const prefixes = (...names: string[]) => berth.api("PATCH", path, { repository_prefixes: names });
  expect((await prefixes(prefix)).status).toBe(200);
  const grant = (...repositories: string[]) =>
    berth.api(
      "PUT",
      `${path}/robots/ci/grants`,
      repositories.map((repository) => ({ repository, actions: ["pull", "push"] })),
    );
  return { organization, prefix, path, prefixes, grant };
}

describe("a name that an organization gives up", () => {
  it.each(["", "/*", "/app", "/team/*"])("is kept while one of its robots holds a grant on name%s", async (below) => {
    const { prefix, prefixes, grant, path } = await makeOwner();
    expect((await grant(`${prefix}${below}`)).status).toBe(200);
    for (const answer of [
      await prefixes(),
      await prefixes("elsewhere"),
      await berth.api("PUT", path, { repository_prefixes: [] }),
      await berth.api("PUT", `${path}/state`, { settings: { repository_prefixes: [] } }),
      await berth.api("PUT", "/state", {
        organizations: { [path.split("/")[2] ?? ""]: { settings: { repository_prefixes: [] } } },
      }),
    ]) {
      const told = expectProblem(answer, 400, "invalid");
      expect(told).toContain(`must keep what robots hold: take ${prefix}${below} out of their grants first`);
    }
    expect((await berth.api("GET", path)).body.repository_prefixes).toEqual([prefix]);
    expect((await grant()).status).toBe(200);
    expect((await prefixes()).status).toBe(200);
  });

  it("opens nothing to its robots once it is another's", async () => {
    const { organization, prefix, path, prefixes, grant } = await makeOwner();
    const { token } = (await berth.api("POST", `${path}/robots/ci/regenerate`, {})).body;
    const login = async () => {
      const asked = await askRegistryToken(berth, `scope=repository:${prefix}/app:pull,push`, [
        `${organization}+ci`,
        token,
      ]);
      const [, payload = ""] = asked.body.token.split(".");
      return JSON.parse(Buffer.from(payload, "base64url").toString()).access;
    };
    await grant(`${prefix}/*`);
    expect(await login()).toMatchObject([{ name: `${prefix}/app`, actions: ["pull", "push"] }]);
    await grant();
    await prefixes();
    expect((await berth.api("POST", "/organization/", { name: prefix })).status).toBe(201);
    expect(await login()).toEqual([]);
    expectProblem(await prefixes(prefix), 409, "conflict");
  });

  it("may be narrowed to what the grants need", async () => {
    const { prefix, prefixes, grant } = await makeOwner();
    await grant(`${prefix}/team/*`);
    for (const narrowed of [`${prefix}/*`, `${prefix}/`, `${prefix}/team`]) {
      expect((await prefixes(narrowed)).status, narrowed).toBe(200);
    }
    expectProblem(await prefixes(`${prefix}/team/app`), 400, "invalid");
  });

  it("is no matter of grants that were never its own", async () => {
    const { prefixes, grant } = await makeOwner();
    expect((await grant("*", "foreign/app", "fo")).status).toBe(200);
    expect((await prefixes()).status).toBe(200);
  });

  it.each<[string, (owner: Owner, ask: ManagementCall) => Promise<ApiAnswer>]>([
    [
      "grant",
      ({ path, prefix }, ask) =>
        ask("PUT", `${path}/robots/ci/grants`, [{ repository: `${prefix}/app`, actions: ["push"] }]),
    ],
    [
      "permission",
      ({ organization, prefix }, ask) =>
        ask("PUT", `/repository/${prefix}/app/permissions/user/${organization}+ci`, { role: "write" }),
    ],
    [
      "document",
      ({ path, prefix }, ask) =>
        ask("PUT", `${path}/state`, {
          robots: { ci: { grants: [{ repository: `${prefix}/app`, actions: ["push"] }] } },
        }),
    ],
  ])("and a %s on it that come together do not both stand", async (_, give) => {
    for (let round = 0; round < 8; round += 1) {
      const owner = await makeOwner();
      const { api } = await makePrincipal(berth, owner.prefix, { roles: { [owner.organization]: "admin" } });
      const [given, gone] = await Promise.all([give(owner, api), owner.prefixes()]);
      const names = (await berth.api("GET", owner.path)).body.repository_prefixes;
      const grants = (await berth.api("GET", `${owner.path}/robots/ci/grants`)).body;
      const stood = given.status === 200;
      expect([given.status, gone.status]).toEqual(stood ? [200, 400] : [expect.any(Number), 200]);
      expect(given.status).toBeLessThan(500);
      expect([names, grants.length]).toEqual(stood ? [[owner.prefix], 1] : [[], 0]);
    }
  });
});
