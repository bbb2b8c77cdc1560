import { type Config, ConfigError, readConfig } from "../../config.ts";
import type { RateLimitBindings } from "./shared-limiter.ts";

/** What `wrangler.toml` binds: Hyperdrive, limits of rates, and the configuration by the names of its variables. */
export interface Bindings extends RateLimitBindings {
  readonly HYPERDRIVE: { readonly connectionString: string };
  readonly [variable: string]: unknown;
}

const REQUIRED = ["HYPERDRIVE", "PUBLIC_URL", "BERTH_SECRET_KEY"];

/** @throws {ConfigError} */
export function readBindings(bindings: Bindings): Config {
  // In `wrangler.toml` they may be booleans and numbers; whatever else is bound is no variable.
  const variables = Object.entries(bindings).filter(([, value]) => typeof value !== "object");
  const texts = Object.fromEntries(variables.map(([name, value]) => [name, String(value)]));
  const environment = { ...texts, DATABASE_URL: bindings.HYPERDRIVE?.connectionString };
  const problems = REQUIRED.filter((name) => !bindings[name]).map(
    (name) => `${name} is required: wrangler.toml says where it comes from`,
  );
  try {
    const config = readConfig(environment, () => {
      throw new Error("there are no files here");
    });
    if (problems.length === 0) return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
  }
  throw new ConfigError(problems);
}
