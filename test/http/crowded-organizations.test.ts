import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { makePrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** However many robots a tenant makes, the others' documents are applied, and the service starts. */

let database: TestPostgres;
let berth: TestBerth;
let folder: string;
let environment: Record<string, string>;
const most = limits.state.robots;

beforeAll(async () => {
  database = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), "berth-crowded-"));
  environment = {
    DATABASE_URL: await database.createDatabase("berth"),
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    BERTH_ADMIN_TOKEN: "an-admin-token-of-the-crowd",
  };
  berth = await startBerth({ environment });
  await berth.createRobot("acme+ci");
  await berth.createRobot("beta+ci");
  const sql = postgres(environment.DATABASE_URL as string, { max: 1 });
  await sql`
    insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
    select gen_random_uuid(), id, 'made-' || n, '', '{}', now(), 'somebody'
    from organizations, generate_series(1, ${2 * most}) as n where name = 'acme'`;
  await sql.end();
});

afterAll(async () => {
  await berth.remove();
  await database.remove();
  await rm(folder, { recursive: true });
});

describe("beside an organization with more robots than a document may have", () => {
  it("others' documents are applied", async () => {
    const { api } = await makePrincipal(berth, "of-beta", { roles: { beta: "admin" } });
    const put = await api("PUT", "/organization/beta/state", { robots: { ci: {}, more: {} } });
    expect(put.body.changes).toMatchObject([{ action: "create", kind: "robot", name: "beta+more" }]);
  });

  it("the service's document is, in what it says", async () => {
    for (const [document, changes] of [
      [{ principals: { terraform: {} } }, ["create principal"]],
      [{ issuers: [], registries: {} }, []],
      [{ organizations: { beta: { settings: { email: "beta@example.com" } } } }, ["change settings"]],
      [{ organizations: { acme: { settings: { email: "acme@example.com" } } } }, ["change settings"]],
    ] as const) {
      const { status, body } = await berth.api("PUT", "/state", document);
      expect(status, JSON.stringify(body)).toBe(200);
      expect(body.changes.map(({ action, kind }: Record<string, string>) => `${action} ${kind}`)).toEqual(changes);
    }
    expect((await berth.api("GET", "/organization/acme")).body.email).toBe("acme@example.com");
  });

  it("the service starts with a document that names it", async () => {
    const file = join(folder, "state.json");
    await writeFile(
      file,
      JSON.stringify({
        principals: { "at-start": {} },
        organizations: { acme: { robots: { ci: { description: "still managed" } } } },
      }),
    );
    const other = await startBerth({ environment: { ...environment, BERTH_STATE_FILE: file } });
    try {
      expect((await other.api("GET", "/organization/acme/robots/ci")).body.description).toBe("still managed");
      expect((await other.api("GET", "/organization/acme/robots/made-1")).status).toBe(200);
    } finally {
      await other.remove();
    }
  });
});

it("its own admin is told that there are too many for one document, and changes none by it", async () => {
  const { api } = await makePrincipal(berth, "of-acme", { roles: { acme: "admin" } });
  for (const [method, body] of [
    ["GET", undefined],
    ["PUT", { settings: { email: null } }],
    ["PUT", { robots: {} }],
  ] as const) {
    const told = expectProblem(await api(method, "/organization/acme/state", body), 409, "conflict");
    expect(told).toContain(`The organization acme has more than ${most} robots or members`);
  }
  expect((await api("GET", "/organization/acme/robots/made-1")).status).toBe(200);
});
