import type { Deps } from "../deps.ts";
import { type BindingTerms, bindingProblems, type Problem } from "../domain/binding.ts";
import {
  type FederationConflict,
  type FederationEntry,
  type PlannedBinding,
  planFederation,
} from "../domain/federation.ts";
import type { RobotName } from "../domain/names.ts";
import { limits } from "../limits.ts";
import {
  type BindingRecord,
  type BindingRow,
  deleteBindings,
  insertBinding,
  listBindings,
  updateBinding,
} from "../store/bindings.ts";
import { ensureIssuer } from "../store/issuers.ts";
import { getRobot, getRobotToChange, recordChange } from "./manage-robots.ts";
import { ManagementError, refuseProblems } from "./management-error.ts";
import type { Actor } from "./principals.ts";

type ManageDeps = Pick<Deps, "config" | "db" | "clock" | "random">;

export async function getFederation(
  deps: Pick<Deps, "db">,
  actor: Actor,
  name: RobotName,
): Promise<readonly BindingRecord[]> {
  const robot = await getRobot(deps, actor, name);
  return listBindings(deps.db, robot.id);
}

/** Replaces a robot's bindings, whole or not at all; what each entry means is `planFederation`'s to say. */
export async function putFederation(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  entries: readonly FederationEntry[],
): Promise<readonly BindingRecord[]> {
  refuseProblems(entries.flatMap((entry, index) => entryProblems(deps, entry, index)));
  return deps.db.transaction(async (tx) => {
    const robot = await getRobotToChange(tx, actor, name);
    const stored = await listBindings(tx, robot.id);
    const plan = planFederation(stored, entries);
    if (!plan.ok) throw conflictError(plan.conflict, plan.index);
    if (plan.bindings.length > limits.binding.perRobot) {
      refuseProblems([{ path: [], message: `a robot has at most ${limits.binding.perRobot} bindings` }]);
    }

    await deleteBindings(
      tx,
      plan.removed.map(({ id }) => id),
    );
    for (const [position, planned] of plan.bindings.entries()) {
      await applyPlanned(deps, tx, robot.id, planned, position);
    }
    const after = await listBindings(tx, robot.id);
    refuseProblems(issuerIdProblems(entries, after));
    await recordChange(deps, tx, actor, "create_robot_federation", name, {
      bindings: after.map(({ id, version, issuer, subject }) => ({ id, version, issuer, subject })),
      removed: plan.removed.map(({ id }) => id),
    });
    return after;
  });
}

export async function clearFederation(deps: ManageDeps, actor: Actor, name: RobotName): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const robot = await getRobotToChange(tx, actor, name);
    const stored = await listBindings(tx, robot.id);
    const ids = stored.map(({ id }) => id);
    await deleteBindings(tx, ids);
    await recordChange(deps, tx, actor, "delete_robot_federation", name, { removed: ids });
  });
}

/** The terms of an entry that names an issuer and a subject alone. */
function plainTerms({ issuer, subject }: FederationEntry): BindingTerms {
  return {
    issuer,
    subject,
    audiences: null,
    clients: null,
    claims: null,
    tokenTtl: null,
    scope: null,
    mode: "enforce",
    expiresAt: null,
  };
}

function entryProblems({ config }: ManageDeps, entry: FederationEntry, index: number): Problem[] {
  const rules = {
    publicUrl: config.publicUrl,
    allowInsecure: config.allowInsecureIssuers,
    maxTokenTtl: config.robotTokenTtl,
  };
  return bindingProblems(entry.terms ?? plainTerms(entry), rules).map(({ path, message }) => ({
    path: [index, ...path],
    message,
  }));
}

/** An entry may name its issuer by id too: as it was read, so it must be sent. */
function issuerIdProblems(entries: readonly FederationEntry[], stored: readonly BindingRecord[]): Problem[] {
  return entries.flatMap(({ issuer, issuerId }, index) =>
    issuerId === undefined || stored.some((one) => one.issuer === issuer && one.issuerId === issuerId)
      ? []
      : [{ path: [index, "issuer_id"], message: `is not the id of the issuer ${issuer}` }],
  );
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

async function applyPlanned(
  deps: ManageDeps,
  tx: Deps["db"],
  robotId: string,
  planned: PlannedBinding,
  position: number,
): Promise<void> {
  switch (planned.action) {
    case "keep":
      return updateBinding(tx, planned.stored.id, { position });
    case "replace":
      return updateBinding(tx, planned.stored.id, {
        ...(await toRow(deps, tx, planned.entry.terms)),
        position,
        description: planned.entry.description,
        ...(planned.decides && { version: planned.stored.version + 1 }),
      });
    case "create":
      return insertBinding(tx, {
        ...(await toRow(deps, tx, planned.entry.terms ?? plainTerms(planned.entry))),
        id: deps.random.uuid(),
        robotId,
        position,
        version: 1,
        description: planned.entry.description ?? null,
        createdAt: new Date(deps.clock.now()),
      });
  }
}

async function toRow(deps: ManageDeps, tx: Deps["db"], terms: BindingTerms) {
  const { issuer, expiresAt, ...rest } = terms;
  const issuerId = await ensureIssuer(tx, { id: deps.random.uuid(), issuer, createdAt: new Date(deps.clock.now()) });
  return {
    ...rest,
    issuerId,
    expiresAt: expiresAt === null ? null : new Date(expiresAt * 1000),
  } satisfies Partial<BindingRow>;
}
