import type { Deps } from "../deps.ts";
import { type BindingTerms, bindingProblems, type Problem } from "../domain/binding.ts";
import type { FederationEntry, PlannedBinding, StoredBinding } from "../domain/federation.ts";
import { canonicalJson, type Json } from "../domain/json.ts";
import type { RobotName } from "../domain/names.ts";
import { anchorProblem, presetOf } from "../domain/presets.ts";
import { formatTime } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { epochSeconds } from "../platform.ts";
import { patiently } from "../store/alone.ts";
import {
  type BindingRecord,
  type BindingRow,
  deleteBindings,
  insertBinding,
  listBindings,
  updateBinding,
} from "../store/bindings.ts";
import { type Issuer, listIssuersById } from "../store/issuers.ts";
import type { Actor } from "./actor.ts";
import { chooseIssuer, issuerWarnings, tryIssuers } from "./bind-issuer.ts";
import { getRobotToChange } from "./manage-robots.ts";
import { refuseProblems } from "./management-error.ts";
import { recordChange } from "./record-change.ts";
import { viewOfBinding } from "./views.ts";

export type ManageDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "issuerKeys">;

/** Bindings as they are stored, and what is known of their issuers, by the bindings' ids. */
export interface StoredFederation {
  readonly bindings: readonly BindingRecord[];
  readonly warnings: ReadonlyMap<string, readonly string[]>;
}

/** What a robot's bindings are to become. */
export interface ProposedFederation {
  readonly bindings: readonly PlannedBinding[];
  readonly removed: readonly StoredBinding[];
  /** Where an entry stands in what was sent. */
  pathOf(entry: FederationEntry): Problem["path"];
}

/** @param tx in which the robot is locked */
export type ProposeFederation = (stored: readonly BindingRecord[], tx: Deps["db"]) => Promise<ProposedFederation>;

/**
 * Changes a robot's bindings, whole or not at all, and tries the issuers of those that are new once.
 *
 * @param kind of the audit record
 */
export async function changeFederation(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  kind: string,
  propose: ProposeFederation,
): Promise<StoredFederation> {
  const { bindings, issuers, party } = await patiently(deps.db, name.organization, async (tx) => {
    const robot = await getRobotToChange(tx, actor, name, "makers");
    const before = await listBindings(tx, robot.id);
    const proposed = await propose(before, tx);
    if (proposed.bindings.length > limits.binding.perRobot) {
      refuseProblems([{ path: [], message: `a robot has at most ${limits.binding.perRobot} bindings` }]);
    }
    const chosen = await chooseIssuers(deps, tx, proposed);

    const removed = proposed.removed.map(({ id }) => id);
    await deleteBindings(tx, removed);
    for (const [position, planned] of proposed.bindings.entries()) {
      const issuerId = chosen.get(planned)?.id;
      await applyPlanned(deps, tx, robot.id, planned, { position, ...(issuerId !== undefined && { issuerId }) });
    }
    const after = await listBindings(tx, robot.id);
    await recordChange(deps, tx, actor, {
      kind,
      robot: name,
      before: viewsWithout(before, after),
      after: viewsWithout(after, before),
      metadata: {
        bindings: after.map(({ id, version, issuer, subject }) => ({ id, version, issuer, subject })),
        removed,
      },
    });
    return { bindings: after, issuers: distinct([...chosen.values()]), party: robot.organizationId };
  });
  await tryIssuers(deps, issuers, party);
  return withWarnings(deps, bindings);
}

/** Of bindings, those that others do not have just so. */
function viewsWithout(bindings: readonly BindingRecord[], others: readonly BindingRecord[]): Json {
  const known = new Set(others.map((other) => canonicalJson(viewOfBinding(other))));
  return bindings.map(viewOfBinding).filter((view) => !known.has(canonicalJson(view)));
}

/** The terms of an entry that names an issuer and a subject alone. */
export function plainTerms({ issuer, subject }: Pick<FederationEntry, "issuer" | "subject">): BindingTerms {
  const nothing = { audiences: null, clients: null, claims: null, tokenTtl: null, scope: null, expiresAt: null };
  return { issuer, subject, ...nothing, mode: "enforce", api: false };
}

/** What can be said of terms without knowing what is stored. */
export function termsProblems({ config }: Pick<Deps, "config">, terms: BindingTerms): Problem[] {
  return bindingProblems(terms, {
    publicUrl: config.publicUrl,
    allowInsecure: config.allowInsecureIssuers,
    maxTokenTtl: config.robotTokenTtl,
  });
}

export async function withWarnings(
  deps: Pick<Deps, "config" | "db" | "clock" | "issuerKeys">,
  bindings: readonly BindingRecord[],
): Promise<StoredFederation> {
  const issuers = await listIssuersById(
    deps.db,
    bindings.map(({ issuerId }) => issuerId),
  );
  const byIssuer = new Map(issuers.map((issuer) => [issuer.id, issuerWarnings(deps, issuer)]));
  const now = epochSeconds(deps.clock);
  const warnings = bindings.map((binding) => {
    const ofIssuer = byIssuer.get(binding.issuerId) ?? [];
    return [binding.id, [...ofIssuer, ...expiryWarnings(binding, now)]] as const;
  });
  return { bindings, warnings: new Map(warnings) };
}

function expiryWarnings({ expiresAt }: BindingTerms, now: number): string[] {
  return expiresAt !== null && now >= expiresAt
    ? [`The binding expired at ${formatTime(expiresAt)}: it accepts no token. Set a later expires_at, or delete it.`]
    : [];
}

/** For each planned binding that is made or replaced. */
type ChosenIssuers = ReadonlyMap<PlannedBinding, Issuer>;

async function chooseIssuers(
  deps: ManageDeps,
  tx: Deps["db"],
  { bindings, pathOf }: ProposedFederation,
): Promise<ChosenIssuers> {
  const problems: Problem[] = [];
  const chosen = new Map<PlannedBinding, Issuer>();
  const changed = bindings.filter((planned) => planned.action !== "keep");
  // In one order, so that two who open the same issuers do not wait for each other.
  for (const planned of changed.toSorted((one, other) => (one.entry.issuer < other.entry.issuer ? -1 : 1))) {
    const { entry } = planned;
    const path = pathOf(entry);
    const before = planned.action === "replace" ? planned.stored.issuerId : undefined;
    const choice = await chooseIssuer(deps, tx, entry, before);
    if (!choice.ok) {
      problems.push({ path: [...path, choice.path], message: choice.message });
      continue;
    }
    chosen.set(planned, choice.issuer);
    const problem = anchorProblem(entry.terms ?? plainTerms(entry), presetOf(entry.issuer, choice.issuer.preset));
    if (problem) problems.push({ ...problem, path: [...path, ...problem.path] });
  }
  refuseProblems(problems);
  return chosen;
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
        id: planned.id ?? deps.random.uuid(),
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
