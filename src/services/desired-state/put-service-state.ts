import { unsetIssuer } from "../../domain/issuer-settings.ts";
import type { Json, JsonObject } from "../../domain/json.ts";
import { unsetRegistry } from "../../domain/registry-settings.ts";
import { inTurn } from "../../store/alone.ts";
import { lockOrganization } from "../../store/organizations.ts";
import { lockRobotsIn } from "../../store/robots.ts";
import { type Actor, requireStanding, requireSuperUser } from "../actor.ts";
import { bootstrapPrincipal } from "../bootstrap.ts";
import { requireMatch } from "../entity-tag.ts";
import { changeIssuer, deleteIssuer, registerIssuer } from "../manage-issuers.ts";
import { createOrganization, deleteOrganization } from "../manage-organizations.ts";
import { changePrincipal, createPrincipal, deletePrincipal, superUserOf } from "../manage-principals.ts";
import { changeRegistry, createRegistry, deleteRegistry } from "../manage-registries.ts";
import { recordChange } from "../record-change.ts";
import { type Attempts, createAttempts } from "./attempts.ts";
import { difference, isSame, type StateChange, type Things } from "./difference.ts";
import { openIssuers } from "./open-issuers.ts";
import { applyOrganization } from "./put-organization-state.ts";
import {
  describeHoldings,
  nameOf,
  readServiceHoldings,
  type ServiceHoldings,
  toServiceDocument,
} from "./read-service-state.ts";
import { type StateDeps, together, withoutConditions } from "./together.ts";
import type { WantedIssuer, WantedService } from "./wanted.ts";

/** A change, and in which organization it is, if in any. */
export interface ServiceStateChange extends StateChange {
  readonly organization?: string;
}

export interface AppliedServiceState {
  readonly changes: readonly ServiceStateChange[];
}

/** Makes the service what a document says, whole or not at all. */
export function putServiceState(
  deps: StateDeps,
  actor: Actor,
  wanted: WantedService,
  isDryRun: boolean,
): Promise<AppliedServiceState> {
  requireSuperUser(actor);
  return together(deps, { isDryRun, transact: inTurn }, async (within) => {
    await requireStanding(within.db, actor);
    const before = await readServiceHoldings(within.db);
    if (actor.ifMatch !== undefined) await requireMatch(actor, await toServiceDocument(within.db, before));
    const step: Step = { within, actor: withoutConditions(actor), before, wanted, attempts: createAttempts() };

    await lockOrganizations(step);
    await applyIssuers(step);
    await openIssuers(within, Object.values(wanted.organizations ?? {}));
    await applyRegistries(step);
    await applyPrincipals(step);
    const changed = await applyOrganizations(step);
    await deleteUnlisted(step);
    step.attempts.finish();

    const after = await readServiceHoldings(within.db);
    const changes = [...differences(before, after), ...changed];
    if (changes.length > 0) {
      const metadata = { changes: changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`) };
      await recordChange(within, within.db, step.actor, { kind: "put_state", metadata });
    }
    return { changes };
  });
}

interface Step {
  readonly within: StateDeps;
  readonly actor: Actor;
  readonly before: ServiceHoldings;
  readonly wanted: WantedService;
  readonly attempts: Attempts;
}

/** Before anything else, and in one order: others who change them wait, and nobody waits for them. */
async function lockOrganizations({ within: { db }, wanted }: Step): Promise<void> {
  for (const name of Object.keys(wanted.organizations ?? {}).sort()) {
    const organization = await lockOrganization(db, name);
    if (organization) await lockRobotsIn(db, organization.id);
  }
}

async function applyIssuers({ within, actor, before, wanted, attempts }: Step): Promise<void> {
  for (const [index, one] of (wanted.issuers ?? []).entries()) {
    const path = ["issuers", index];
    const { issuer, settings } = one;
    const repeated = wanted.issuers?.slice(0, index).some((other) => keyOf(other) === keyOf(one));
    if (repeated) {
      attempts.problem(path, "is listed twice: tell issuers of one string apart by their names");
      continue;
    }
    const stored = before.issuers.find((other) => nameOf(other) === keyOf(one));
    if (!stored)
      await attempts.attempt(path, () => registerIssuer(within, actor, issuer, { ...unsetIssuer, ...settings }));
    else if (!holds(stored, settings))
      await attempts.attempt(path, () => changeIssuer(within, actor, stored.id, settings));
  }
}

async function applyRegistries({ within, actor, before, wanted, attempts }: Step): Promise<void> {
  for (const [service, settings] of Object.entries(wanted.registries ?? {})) {
    const stored = before.registries.find((one) => one.service === service);
    await attempts.attempt(["registries", service], async () => {
      if (!stored) await createRegistry(within, actor, service, { ...unsetRegistry, ...settings });
      else if (!holds(stored, settings)) await changeRegistry(within, actor, service, settings);
    });
  }
}

async function applyPrincipals({ within, actor, before, wanted, attempts }: Step): Promise<void> {
  for (const [name, settings] of Object.entries(wanted.principals ?? {})) {
    const path = ["principals", name];
    if (name === bootstrapPrincipal) {
      attempts.problem(path, "is the superuser of BERTH_ADMIN_TOKEN, which no document changes");
      continue;
    }
    if (name === actor.name && (settings.superUser ?? true) !== true) {
      attempts.problem([...path, "super_user"], "is that by which you do this: let somebody else change it");
      continue;
    }
    const stored = before.principals.find((one) => one.name === name);
    await attempts.attempt(path, async () => {
      if (!stored)
        await createPrincipal(within, actor, name, { description: "", superUser: false, ...settings, roles: {} });
      else if (!holds({ ...stored, superUser: superUserOf(stored) }, settings)) {
        await changePrincipal(within, actor, name, settings);
      }
    });
  }
}

async function applyOrganizations({ within, actor, before, wanted, attempts }: Step): Promise<ServiceStateChange[]> {
  const changes: ServiceStateChange[] = [];
  for (const [name, organization] of Object.entries(wanted.organizations ?? {})) {
    const path = ["organizations", name];
    const isNew = !before.organizations.some((one) => one.name === name);
    await attempts.attempt(path, async () => {
      if (isNew) await createOrganization(within, actor, { name, email: null });
      const applied = await applyOrganization(within, actor, name, organization, attempts, path);
      changes.push(...applied.changes.map((change) => ({ ...change, organization: name })));
    });
  }
  return changes;
}

/** Last, since what trusts an issuer, or is granted on a registry, may have gone until then. */
async function deleteUnlisted({ within, actor, before, wanted, attempts }: Step): Promise<void> {
  if (wanted.unlisted === "keep") return;
  const { organizations, principals, registries, issuers } = wanted;
  const gone = <T>(listed: object | undefined, stored: readonly T[], name: (one: T) => string) =>
    listed === undefined ? [] : stored.map(name).filter((one) => !Object.hasOwn(listed, one));
  const attempt = (section: string, work: () => Promise<void>) => attempts.attempt([section], work);

  for (const name of gone(organizations, before.organizations, (one) => one.name)) {
    await attempt("organizations", () => deleteOrganization(within, actor, name));
  }
  for (const name of gone(principals, before.principals, (one) => one.name)) {
    if (name === actor.name) attempts.problem(["principals"], `leaves out ${name}, as whom you do this`);
    else await attempt("principals", () => deletePrincipal(within, actor, name));
  }
  const deletable = before.registries.filter(({ isDefault }) => !isDefault);
  for (const service of gone(registries, deletable, (one) => one.service)) {
    await attempt("registries", () => deleteRegistry(within, actor, service, false));
  }
  const kept = issuers?.map(keyOf);
  for (const issuer of before.issuers) {
    if (!kept || kept.includes(nameOf(issuer))) continue;
    await attempt("issuers", () => deleteIssuer(within, actor, issuer.id, false));
  }
}

function keyOf({ issuer, settings }: WantedIssuer): string {
  return nameOf({ issuer, name: settings.name ?? null });
}

/** Whether a stored thing has the settings already. */
function holds(stored: object, settings: object): boolean {
  return Object.entries(settings).every(([name, value]) =>
    isSame(value as Json, (stored as Record<string, Json | undefined>)[name]),
  );
}

function differences(before: ServiceHoldings, after: ServiceHoldings): ServiceStateChange[] {
  const [then, now] = [describeHoldings(before), describeHoldings(after)];
  const byName = (issuers: typeof then.issuers): Things => Object.fromEntries(issuers.map((one) => [nameOf(one), one]));
  const names = (holdings: ServiceHoldings): Things =>
    Object.fromEntries(holdings.organizations.map(({ name }): [string, JsonObject] => [name, {}]));
  return [
    ...difference("issuer", byName(then.issuers), byName(now.issuers)),
    ...difference("registry", then.registries, now.registries),
    ...difference("principal", then.principals, now.principals),
    ...difference("organization", names(before), names(after)),
  ];
}
