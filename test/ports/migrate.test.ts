import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Environment } from "../../src/environment.ts";
import { call } from "../support/berth.ts";
import { launchBerth, spawnBerth } from "../support/berth-process.ts";
import { freePort } from "../support/free-port.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const adminToken = randomBytes(24).toString("base64url");
const newKey = () => randomBytes(32).toString("base64");
let database: TestPostgres;

beforeAll(async () => {
  database = await startPostgres();
});

afterAll(() => database.remove());

async function migrate(environment: Environment) {
  const berth = launchBerth(environment, ["migrate"]);
  return { code: await berth.ended, stdout: berth.stdout(), stderr: berth.stderr() };
}

it("berth migrate prepares a database, as often as one likes, for instances that start on it later", async () => {
  const port = String(await freePort());
  const environment = {
    PORT: port,
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    DATABASE_URL: await database.createDatabase("prepared"),
    BERTH_SECRET_KEY: newKey(),
  };
  const unnamed = await migrate(environment);
  expect(unnamed.code).toBe(1);
  expect(unnamed.stderr).toContain("BERTH_ADMIN_TOKEN is required at the first start");
  for (const more of [{ BERTH_ADMIN_TOKEN: adminToken }, {}]) {
    expect(await migrate({ ...environment, ...more })).toEqual({
      code: 0,
      stdout: "",
      stderr: expect.stringMatching(/^The database is prepared for Berth \S+\.\n$/),
    });
  }
  const wrong = await migrate({ ...environment, BERTH_SECRET_KEY: newKey() });
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain("Give the key that was used before");

  const berth = await spawnBerth(environment);
  const user = await call(`http://127.0.0.1:${port}/api/v1/user`, {
    headers: { authorization: `Bearer ${adminToken}` },
  });
  expect(user.body).toMatchObject({ username: "admin" });
  expect(await berth.end("SIGTERM")).toBe(0);
});

it("berth migrate tells at once all that it lacks", async () => {
  const { code, stderr } = await migrate({});
  expect(code).toBe(1);
  for (const name of ["DATABASE_URL", "BERTH_SECRET_KEY", "PUBLIC_URL"]) expect(stderr).toContain(`- ${name}`);
});
