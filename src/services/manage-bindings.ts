import type { Deps } from "../deps.ts";
import { type BindingTerms, sameTerms } from "../domain/binding.ts";
import type { FederationEntry, PlannedBinding } from "../domain/federation.ts";
import type { RobotName } from "../domain/names.ts";
import { type BindingOfRobot, type BindingRecord, listBindings, listBindingsTo } from "../store/bindings.ts";
import { type Actor, requireSuperReader } from "./actor.ts";
import {
  changeFederation,
  type ManageDeps,
  type ProposedFederation,
  type ProposeFederation,
  type StoredFederation,
  termsProblems,
  withWarnings,
} from "./change-federation.ts";
import { requireMatch } from "./entity-tag.ts";
import { getRobot } from "./manage-robots.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { claim, once } from "./once.ts";
import { type Page, pageOf } from "./page.ts";
import { viewOfBinding } from "./views.ts";

/** A binding, and what is known of its issuer. */
export interface KnownBinding {
  readonly binding: BindingRecord;
  readonly warnings: readonly string[];
}

export interface BindingChange extends Partial<BindingTerms> {
  readonly issuerId?: string;
  readonly description?: string | null;
}

export async function getBinding(
  deps: Pick<Deps, "config" | "db" | "clock" | "issuerKeys">,
  actor: Actor,
  name: RobotName,
  id: string,
): Promise<KnownBinding> {
  const robot = await getRobot(deps, actor, name);
  return pick(await withWarnings(deps, await listBindings(deps.db, robot.id)), id);
}

/** Adds a binding behind those that there are. */
export async function addBinding(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  entry: FederationEntry & { readonly terms: BindingTerms },
): Promise<KnownBinding> {
  refuseProblems(termsProblems(deps, entry.terms));
  const id = deps.random.uuid();
  const propose: ProposeFederation = async (stored, tx) => {
    await claim(deps, tx, actor, id);
    const same = stored.find((one) => sameTerms(one, entry.terms) && one.issuerId === (entry.issuerId ?? one.issuerId));
    if (same) throw new ManagementError("conflict", `The binding ${same.id} says exactly that already.`);
    return { ...unchanged(stored), bindings: [...stored.map(keep), { action: "create", id, entry }] };
  };
  return once(
    async () => pick(await changeFederation(deps, actor, name, "create_federation_binding", propose), id),
    (madeId) => getBinding(deps, actor, name, madeId),
  );
}

/** Changes what is given of a binding, at its place. */
export async function changeBinding(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  id: string,
  { issuerId, description, ...terms }: BindingChange,
): Promise<KnownBinding> {
  const federation = await changeFederation(deps, actor, name, "change_federation_binding", async (stored) => {
    const before = find(stored, id);
    await requireMatch(actor, viewOfBinding(before));
    const after = { ...termsOf(before), ...terms };
    refuseProblems(termsProblems(deps, after));
    const entry = {
      issuer: after.issuer,
      subject: after.subject,
      terms: after,
      description: description === undefined ? before.description : description,
      ...(issuerId !== undefined && { issuerId }),
    };
    const decides = !sameTerms(before, after) || (issuerId ?? before.issuerId) !== before.issuerId;
    const bindings = stored.map(
      (one): PlannedBinding => (one.id === id ? { action: "replace", stored: one, entry, decides } : keep(one)),
    );
    return { ...unchanged(stored), bindings };
  });
  return pick(federation, id);
}

export async function deleteBinding(deps: ManageDeps, actor: Actor, name: RobotName, id: string): Promise<void> {
  await changeFederation(deps, actor, name, "delete_federation_binding", async (stored) => {
    const gone = find(stored, id);
    await requireMatch(actor, viewOfBinding(gone));
    return { ...unchanged(stored.filter((one) => one !== gone)), removed: [gone] };
  });
}

/** Who trusts an issuer, or one subject of it. */
export async function pageBindingsTo(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  {
    limit,
    ...filter
  }: { issuer?: string | undefined; subject?: string | undefined; after?: string | undefined; limit: number },
): Promise<Page<BindingOfRobot>> {
  requireSuperReader(actor);
  return pageOf(await listBindingsTo(db, filter, limit + 1), limit, ({ binding }) => binding.id);
}

function unchanged(stored: readonly BindingRecord[]): ProposedFederation {
  return { bindings: stored.map(keep), removed: [], pathOf: () => [] };
}

function keep(stored: BindingRecord): PlannedBinding {
  return { action: "keep", stored };
}

function termsOf(binding: BindingRecord): BindingTerms {
  const { issuer, subject, audiences, clients, claims, tokenTtl, scope, mode, api, expiresAt } = binding;
  return { issuer, subject, audiences, clients, claims, tokenTtl, scope, mode, api, expiresAt };
}

function find(bindings: readonly BindingRecord[], id: string): BindingRecord {
  const binding = bindings.find((one) => one.id === id);
  if (!binding) throw notFound(`binding ${id} of this robot`);
  return binding;
}

function pick({ bindings, warnings }: StoredFederation, id: string): KnownBinding {
  return { binding: find(bindings, id), warnings: warnings.get(id) ?? [] };
}
