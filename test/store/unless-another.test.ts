import { afterAll, beforeAll, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { unlessAnother } from "../../src/store/alone.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
const instances: Database[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
  const url = new Secret(await postgres.createDatabase("berth"));
  for (let instance = 0; instance < 2; instance += 1) instances.push(await openPostgres(url));
});

afterAll(async () => {
  await Promise.all(instances.map(({ close }) => close()));
  await postgres.remove();
});

it("what one instance is at is left to it, and done by the other afterwards, also where the one failed", async () => {
  const [one, other] = instances.map(({ db }) => db) as [Database["db"], Database["db"]];
  const byOther = () => unlessAnother(other, async () => "done");
  expect(await unlessAnother(one, byOther)).toBeUndefined();
  expect(await byOther()).toBe("done");
  const failing = unlessAnother(one, async () => {
    throw new Error("failed");
  });
  await expect(failing).rejects.toThrow("failed");
  expect(await byOther()).toBe("done");
});
