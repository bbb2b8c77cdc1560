import type { Deps } from "../../deps.ts";
import type { Issuer } from "../../store/issuers.ts";
import type { Actor } from "../actor.ts";
import { tryIssuers } from "../bind-issuer.ts";

export type StateDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "issuerKeys" | "keys" | "sealer">;

/** What the work would have come to, had it been kept. */
class DryRun<T> extends Error {
  override readonly name = "DryRun";
  readonly result: T;

  constructor(result: T) {
    super("this was only tried");
    this.result = result;
  }
}

export interface Way {
  /** Whether all of it is taken back in the end. */
  readonly isDryRun: boolean;
  /** Opens the transaction, when it is its turn. */
  readonly transact: <T>(db: Deps["db"], work: (tx: Deps["db"]) => Promise<T>) => Promise<T>;
}

/**
 * Does all of the work in one transaction. What asks issuers, or reads what is committed, waits until it is over.
 *
 * @param work is given what services need, in that transaction
 */
export async function together<T>(deps: StateDeps, way: Way, work: (within: StateDeps) => Promise<T>): Promise<T> {
  const untried = new Map<string, Issuer[]>();
  const within = (tx: Deps["db"]): StateDeps => ({
    ...deps,
    db: tx,
    keys: { ...deps.keys, reload: async () => {} },
    issuerKeys: {
      ...deps.issuerKeys,
      inspect: async (issuer, party) => {
        untried.set(party, [...(untried.get(party) ?? []), issuer as Issuer]);
        return deps.issuerKeys.known(issuer) ?? { keys: new Map() };
      },
    },
  });
  try {
    const result = await way.transact(deps.db, async (tx) => {
      const done = await work(within(tx));
      if (way.isDryRun) throw new DryRun(done);
      return done;
    });
    await deps.keys.reload();
    for (const [party, issuers] of untried) await tryIssuers(deps, issuers, party);
    return result;
  } catch (error) {
    if (error instanceof DryRun) return error.result as T;
    throw error;
  }
}

/** For the parts of a whole: the request's conditions are about the whole, and its actor was looked at for it. */
export function withoutConditions({ ifMatch: _, idempotency: __, ...actor }: Actor): Actor {
  return { ...actor, stands: async () => true };
}
