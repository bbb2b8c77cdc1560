import { readFileSync } from "node:fs";
import { uuidv7 } from "uuidv7";
import { ConfigError, readConfig } from "../../config.ts";
import type { Environment } from "../../environment.ts";
import { AdminTokenError, bootstrap } from "../../services/bootstrap.ts";
import { createSealer } from "../../tokens/sealing.ts";
import { openPostgres } from "./database.ts";

/**
 * Brings PostgreSQL to where the service can run, and serves nothing: for whoever migrates before an update, or
 * serves from where nothing can be migrated.
 *
 * @throws {ConfigError} {SealError}
 */
export async function migrate(environment: Environment): Promise<void> {
  const config = readConfig(environment, (path) => readFileSync(path, "utf8"));
  const { databaseUrl, secretKeys } = config;
  if (!databaseUrl || !secretKeys || !environment.PUBLIC_URL?.trim()) {
    throw new ConfigError([
      ...(databaseUrl ? [] : ["DATABASE_URL is required: the embedded database is prepared by `berth serve`"]),
      ...(secretKeys ? [] : ["BERTH_SECRET_KEY is required: the one that the instances have, which seals their keys"]),
      ...(environment.PUBLIC_URL?.trim() ? [] : ["PUBLIC_URL is required: it names the default registry for good"]),
    ]);
  }
  const { db, close } = await openPostgres(databaseUrl);
  try {
    const sealer = await createSealer(secretKeys);
    await bootstrap(db, config, { sealer, clock: { now: () => Date.now() }, random: { uuid: uuidv7 } });
  } catch (error) {
    throw error instanceof AdminTokenError ? new ConfigError([error.message]) : error;
  } finally {
    await close();
  }
}
