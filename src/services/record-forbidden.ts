import type { Deps } from "../deps.ts";
import type { Actor } from "./actor.ts";
import { recordUnproved } from "./audit-refusals.ts";

/**
 * Records that somebody tried what it may not do: one by one up to a number a minute, the others counted.
 *
 * @param route that was asked for, with its method
 * @param organization the name of the one that it was about
 */
export function recordForbidden(
  deps: Pick<Deps, "config" | "db" | "clock" | "random" | "refusalTally">,
  { name, requestId, clientAddress }: Actor,
  route: string,
  organization: string | undefined,
): Promise<void> {
  return recordUnproved(deps, {
    requestId,
    clientAddress,
    kind: "management",
    ...(organization !== undefined && { organization }),
    actor: name,
    outcome: "refused",
    code: "forbidden",
    metadata: { route },
  });
}
