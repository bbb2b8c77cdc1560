import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openEmbedded, openPostgres } from "../../src/ports/node/database.ts";
import type { Db } from "../../src/store/db.ts";
import { makeDataDir } from "../support/embedded-database.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

/** Runs a suite on the embedded database and on a real PostgreSQL, each new and migrated. */
export function describeOnBoth(title: string, suite: (db: () => Db) => void): void {
  describe(`${title}, embedded`, () => {
    let directory: string;
    let database: Database;
    beforeAll(async () => {
      directory = await makeDataDir();
      database = await openEmbedded(directory);
    });
    afterAll(async () => {
      await database.close();
      await rm(directory, { recursive: true });
    });
    suite(() => database.db);
  });

  describe(`${title}, PostgreSQL`, () => {
    let postgres: TestPostgres;
    let database: Database;
    beforeAll(async () => {
      postgres = await startPostgres();
      database = await openPostgres(new Secret(await postgres.createDatabase("berth")));
    });
    afterAll(async () => {
      await database.close();
      await postgres.remove();
    });
    suite(() => database.db);
  });
}
