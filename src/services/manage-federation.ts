import type { Deps } from "../deps.ts";
import { type BindingTerms, bindingProblems, type Problem } from "../domain/binding.ts";
import {
  type FederationConflict,
  type FederationEntry,
  type PlannedBinding,
  planFederation,
} from "../domain/federation.ts";
import type { RobotName } from "../domain/names.ts";
import { anchorProblem, presetOf } from "../domain/presets.ts";
import { limits } from "../limits.ts";
import {
  type BindingRecord,
  type BindingRow,
  deleteBindings,
  insertBinding,
  listBindings,
  updateBinding,
} from "../store/bindings.ts";
import { type Issuer, listIssuersById } from "../store/issuers.ts";
import { chooseIssuer, issuerWarnings, tryIssuers } from "./bind-issuer.ts";
import { getRobot, getRobotToChange, recordChange } from "./manage-robots.ts";
import { ManagementError, refuseProblems } from "./management-error.ts";
import type { Actor } from "./principals.ts";

type ManageDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "issuerKeys">;

/** Bindings as they are stored, and what is known of their issuers, by the bindings' ids. */
export interface StoredFederation {
  readonly bindings: readonly BindingRecord[];
  readonly warnings: ReadonlyMap<string, readonly string[]>;
}

export async function getFederation(
  deps: Pick<Deps, "config" | "db" | "issuerKeys">,
  actor: Actor,
  name: RobotName,
): Promise<StoredFederation> {
  const robot = await getRobot(deps, actor, name);
  const bindings = await listBindings(deps.db, robot.id);
  return { bindings, warnings: await warningsOf(deps, bindings) };
}

/**
 * Replaces a robot's bindings, whole or not at all; what each entry means is `planFederation`'s to say. The
 * issuers of those that are new are tried once.
 */
export async function putFederation(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  entries: readonly FederationEntry[],
): Promise<StoredFederation> {
  refuseProblems(entries.flatMap((entry, index) => entryProblems(deps, entry, index)));
  const { bindings, issuers, party } = await deps.db.transaction(async (tx) => {
    const robot = await getRobotToChange(tx, actor, name);
    const stored = await listBindings(tx, robot.id);
    const plan = planFederation(stored, entries);
    if (!plan.ok) throw conflictError(plan.conflict, plan.index);
    if (plan.bindings.length > limits.binding.perRobot) {
      refuseProblems([{ path: [], message: `a robot has at most ${limits.binding.perRobot} bindings` }]);
    }
    const chosen = await chooseIssuers(deps, tx, entries, plan.bindings);

    await deleteBindings(
      tx,
      plan.removed.map(({ id }) => id),
    );
    for (const [position, planned] of plan.bindings.entries()) {
      const issuerId = chosen.get(planned)?.id;
      await applyPlanned(deps, tx, robot.id, planned, { position, ...(issuerId !== undefined && { issuerId }) });
    }
    const after = await listBindings(tx, robot.id);
    await recordChange(deps, tx, actor, "create_robot_federation", name, {
      bindings: after.map(({ id, version, issuer, subject }) => ({ id, version, issuer, subject })),
      removed: plan.removed.map(({ id }) => id),
    });
    return { bindings: after, issuers: distinct([...chosen.values()]), party: robot.organizationId };
  });
  await tryIssuers(deps, issuers, party);
  return { bindings, warnings: await warningsOf(deps, bindings) };
}

/** For each planned binding that is made or replaced. */
type ChosenIssuers = ReadonlyMap<PlannedBinding, Issuer>;

async function chooseIssuers(
  deps: ManageDeps,
  tx: Deps["db"],
  entries: readonly FederationEntry[],
  plan: readonly PlannedBinding[],
): Promise<ChosenIssuers> {
  const problems: Problem[] = [];
  const chosen = new Map<PlannedBinding, Issuer>();
  for (const planned of plan) {
    if (planned.action === "keep") continue;
    const { entry } = planned;
    const index = entries.findIndex((one) => one === entry || (one.terms !== undefined && one.terms === entry.terms));
    const choice = await chooseIssuer(
      deps,
      tx,
      entry,
      planned.action === "replace" ? planned.stored.issuerId : undefined,
    );
    if (!choice.ok) {
      problems.push({ path: [index, choice.path], message: choice.message });
      continue;
    }
    chosen.set(planned, choice.issuer);
    const problem = anchorProblem(entry.terms ?? plainTerms(entry), presetOf(entry.issuer, choice.issuer.preset));
    if (problem) problems.push({ ...problem, path: [index, ...problem.path] });
  }
  refuseProblems(problems);
  return chosen;
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
  { position, issuerId }: Pick<BindingRow, "position"> & Partial<Pick<BindingRow, "issuerId">>,
): Promise<void> {
  switch (planned.action) {
    case "keep":
      return updateBinding(tx, planned.stored.id, { position });
    case "replace":
      return updateBinding(tx, planned.stored.id, {
        ...toRow(planned.entry.terms),
        ...(issuerId !== undefined && { issuerId }),
        position,
        description: planned.entry.description,
        ...(planned.decides && { version: planned.stored.version + 1 }),
      });
    case "create":
      return insertBinding(tx, {
        ...toRow(planned.entry.terms ?? plainTerms(planned.entry)),
        issuerId: issuerId as string,
        id: deps.random.uuid(),
        robotId,
        position,
        version: 1,
        description: planned.entry.description ?? null,
        createdAt: new Date(deps.clock.now()),
      });
  }
}

function toRow({ issuer: _, expiresAt, ...terms }: BindingTerms) {
  return { ...terms, expiresAt: expiresAt === null ? null : new Date(expiresAt * 1000) };
}

function distinct(issuers: readonly Issuer[]): Issuer[] {
  return [...new Map(issuers.map((issuer) => [issuer.id, issuer])).values()];
}

/** What is known of the bindings' issuers, by the bindings' ids. */
async function warningsOf(
  deps: Pick<Deps, "config" | "db" | "issuerKeys">,
  bindings: readonly BindingRecord[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const issuers = await listIssuersById(
    deps.db,
    bindings.map(({ issuerId }) => issuerId),
  );
  const byIssuer = new Map(issuers.map((issuer) => [issuer.id, issuerWarnings(deps, issuer)]));
  return new Map(bindings.map(({ id, issuerId }) => [id, byIssuer.get(issuerId) ?? []]));
}
