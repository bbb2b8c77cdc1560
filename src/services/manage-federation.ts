import type { Deps } from "../deps.ts";
import {
  type FederationConflict,
  type FederationEntry,
  type FederationPlan,
  planExactly,
  planFederation,
  type WholeEntry,
} from "../domain/federation.ts";
import type { RobotName } from "../domain/names.ts";
import { patiently } from "../store/alone.ts";
import { type BindingRecord, deleteBindings, listBindings } from "../store/bindings.ts";
import type { Actor } from "./actor.ts";
import {
  changeFederation,
  type ManageDeps,
  plainTerms,
  type StoredFederation,
  termsProblems,
  withWarnings,
} from "./change-federation.ts";
import { requireMatch } from "./entity-tag.ts";
import { getRobot, getRobotToChange } from "./manage-robots.ts";
import { ManagementError, refuseProblems } from "./management-error.ts";
import { recordChange } from "./record-change.ts";
import { viewOfBinding } from "./views.ts";

export async function getFederation(
  deps: Pick<Deps, "config" | "db" | "clock" | "issuerKeys">,
  actor: Actor,
  name: RobotName,
): Promise<StoredFederation> {
  const robot = await getRobot(deps, actor, name);
  return withWarnings(deps, await listBindings(deps.db, robot.id));
}

/** Replaces a robot's bindings; what each entry means is `planFederation`'s to say. */
export async function putFederation(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  entries: readonly FederationEntry[],
): Promise<StoredFederation> {
  return replaceBindings(deps, actor, name, entries, (stored) => planFederation(stored, entries));
}

/** Replaces a robot's bindings by exactly those that are told. */
export async function putExactFederation(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  entries: readonly WholeEntry[],
): Promise<StoredFederation> {
  return replaceBindings(deps, actor, name, entries, (stored) => planExactly(stored, entries));
}

async function replaceBindings(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  entries: readonly FederationEntry[],
  planFor: (stored: readonly BindingRecord[]) => FederationPlan,
): Promise<StoredFederation> {
  refuseProblems(
    entries.flatMap((entry, index) =>
      termsProblems(deps, entry.terms ?? plainTerms(entry)).map(({ path, message }) => ({
        path: [index, ...path],
        message,
      })),
    ),
  );
  return changeFederation(deps, actor, name, "create_robot_federation", async (stored) => {
    await requireMatch(actor, stored.map(viewOfBinding));
    const plan = planFor(stored);
    if (!plan.ok) throw conflictError(plan.conflict, plan.index);
    return { ...plan, pathOf: (entry) => [indexOf(entry, entries)] };
  });
}

/** Of an entry, or of a planned one that has its terms. */
function indexOf(entry: FederationEntry, entries: readonly FederationEntry[]): number {
  return entries.findIndex((one) => one === entry || (one.terms !== undefined && one.terms === entry.terms));
}

export async function clearFederation(deps: ManageDeps, actor: Actor, name: RobotName): Promise<void> {
  await patiently(deps.db, name.organization, async (tx) => {
    const robot = await getRobotToChange(tx, actor, name, "makers");
    const before = (await listBindings(tx, robot.id)).map(viewOfBinding);
    await requireMatch(actor, before);
    const removed = before.map(({ id }) => id);
    await deleteBindings(tx, removed);
    const kind = "delete_robot_federation";
    await recordChange(deps, tx, actor, { kind, robot: name, before, metadata: { removed } });
  });
}

function conflictError(conflict: FederationConflict, index: number): ManagementError {
  switch (conflict) {
    case "repeated":
      return new ManagementError("invalid", `Entry ${index} repeats another exactly.`, [
        { path: [index], message: "repeats another entry exactly" },
      ]);
    case "contradictory":
      return new ManagementError(
        "invalid",
        `Entry ${index} has an issuer and a subject alone, which leaves what is stored for them as it is, and another entry has the same: leave one out.`,
        [{ path: [index], message: "leaves as it is what another entry changes" }],
      );
    case "ambiguous":
      return new ManagementError(
        "conflict",
        `Several bindings have the issuer and subject of entry ${index}: name the one it replaces by its id.`,
        [{ path: [index, "id"], message: "is needed to tell which binding the entry replaces" }],
      );
    case "unknown_id":
      return new ManagementError(
        "conflict",
        `Entry ${index} names a binding that this robot does not have, or twice.`,
        [{ path: [index, "id"], message: "is no binding of this robot, or is named twice" }],
      );
  }
}
