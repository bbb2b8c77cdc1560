import type { Deps } from "../deps.ts";
import { limits } from "../limits.ts";
import { findSchemaVersion, SCHEMA_VERSION } from "../store/schema-version.ts";

type ProbeDeps = Pick<Deps, "db" | "keys" | "log" | "clock">;

/** What the service cannot work without. */
export type Lacking = "database" | "schema" | "keys";

/**
 * Tells what the service lacks; nothing, when it can work. However many ask, it looks once at a time, and no more
 * than once in a while: a probe must not be what keeps the database busy.
 *
 * @returns a probe, which takes a database that has not answered when `patience` ends for one that is not there
 */
export function createProbe(deps: ProbeDeps): (patience: AbortSignal) => Promise<Lacking | undefined> {
  let last: { readonly at: number; readonly lacking: Lacking | undefined } | undefined;
  let looking: Promise<Lacking | undefined> | undefined;

  return async (patience) => {
    const age = last ? deps.clock.now() - last.at : Number.POSITIVE_INFINITY;
    if (last && age >= 0 && age < limits.readiness.rememberedMilliseconds) return last.lacking;
    looking ??= look(deps).then((lacking) => {
      last = { at: deps.clock.now(), lacking };
      looking = undefined;
      return lacking;
    });
    return Promise.race([looking, endOf(patience)]);
  };
}

async function look({ db, keys, log }: ProbeDeps): Promise<Lacking | undefined> {
  let lacking: Lacking = "database";
  try {
    const version = await findSchemaVersion(db);
    lacking = "schema";
    // A later one is good, too: the instances of the version before run on while the next one starts.
    if (version < SCHEMA_VERSION) throw new Error("the schema is of an earlier version: start `berth serve` on it");
    lacking = "keys";
    const { signing } = await keys.robotToken();
    await signing();
    return undefined;
  } catch (error) {
    log.warn("not ready", { lacking, error });
    return lacking;
  }
}

function endOf(patience: AbortSignal): Promise<Lacking> {
  return new Promise((resolve) => patience.addEventListener("abort", () => resolve("database"), { once: true }));
}
