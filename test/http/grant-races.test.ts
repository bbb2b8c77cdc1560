import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
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
  await berth.createRobot("acme+ci");
});

afterAll(async () => {
  await berth.remove();
  await postgres.remove();
});

it("on PostgreSQL, a registry that is deleted keeps what was put on it meanwhile, or nothing could be", async () => {
  const repository = "acme/app";
  for (let round = 0; round < 10; round += 1) {
    const registry = `round-${round}.example`;
    expect((await berth.api("POST", "/registries", { service: registry })).status).toBe(201);
    const [deleted, granted, opened] = await Promise.all([
      berth.api("DELETE", `/registries/${registry}`),
      berth.api("PUT", "/organization/acme/robots/ci/grants", [{ registry, repository, actions: ["pull"] }]),
      berth.api("PATCH", "/organization/acme", { anonymous_pull: [{ registry, repository }] }),
    ]);
    const stood = deleted.status === 409;
    expect(stood || deleted.status === 204).toBe(true);
    const statuses = [granted.status, opened.status];
    expect(stood ? statuses.includes(200) : statuses.every((status) => status === 400), `${statuses}`).toBe(true);
    await berth.api("DELETE", `/registries/${registry}?cascade=true`);
  }
});
