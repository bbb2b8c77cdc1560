import type { Deps } from "../deps.ts";
import { isService, type RegistrySettings, registryProblems, serviceRule } from "../domain/registry-settings.ts";
import { inTurn } from "../store/alone.ts";
import { type Db, isUniqueViolation } from "../store/db.ts";
import {
  countGrantsOn,
  deleteRegistry as deleteRegistryRow,
  findRegistry,
  insertRegistry,
  lockRegistry,
  pageOfRegistries,
  type Registry,
  updateRegistry,
} from "../store/registries.ts";
import { listSigningKeys, type SigningKeyRow } from "../store/signing-keys.ts";
import { type Actor, requireStanding, requireSuperReader, requireSuperUser } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { openKeyLife } from "./key-life.ts";
import { turnWarnings } from "./key-schedule.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { claim, once } from "./once.ts";
import { type Page, pageOf } from "./page.ts";
import { recordChange } from "./record-change.ts";
import { viewOfRegistry } from "./views.ts";

type ManageDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "sealer" | "keys">;

/** A registry with its keys, and with what its operator should know of. */
export interface KnownRegistry {
  readonly registry: Registry;
  readonly keys: readonly SigningKeyRow[];
  readonly warnings: readonly string[];
}

export async function createRegistry(
  deps: ManageDeps,
  actor: Actor,
  service: string,
  settings: RegistrySettings,
): Promise<KnownRegistry> {
  requireSuperUser(actor);
  const serviceProblem = isService(service) ? [] : [{ path: ["service"], message: `must have ${serviceRule}` }];
  refuseProblems([...serviceProblem, ...registryProblems(settings, deps.config)]);
  const registry: Registry = {
    ...settings,
    id: deps.random.uuid(),
    service,
    isDefault: false,
    createdAt: new Date(deps.clock.now()),
  };
  const make = () =>
    inTurn(deps.db, async (tx) => {
      await requireStanding(tx, actor);
      await claim(deps, tx, actor, registry.id);
      await insertRegistry(tx, registry);
      await (await openKeyLife(tx, deps)).complete(registry);
      const after = recorded(registry);
      await recordChange(deps, tx, actor, { kind: "create_registry", after, metadata: { service } });
      return know(deps, tx, registry);
    });
  try {
    const known = await once(make, async (id) => {
      const found = await getRegistry(deps, actor, service);
      if (found.registry.id !== id) throw notFound(`registry ${service} any more that this request made`);
      return found;
    });
    await deps.keys.reload();
    return known;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new ManagementError("already_exists", `The registry ${service} exists already.`);
  }
}

/** @throws {ManagementError} when there is none of that service */
export async function getRegistry(
  deps: Pick<Deps, "db" | "clock">,
  actor: Actor,
  service: string,
): Promise<KnownRegistry> {
  requireSuperReader(actor);
  return know(deps, deps.db, await requireRegistry(deps.db, service));
}

export async function pageRegistries(
  deps: Pick<Deps, "db" | "clock">,
  actor: Actor,
  { after, limit }: { after: string; limit: number },
): Promise<Page<KnownRegistry>> {
  requireSuperReader(actor);
  const { items, next } = pageOf(await pageOfRegistries(deps.db, after, limit + 1), limit, ({ service }) => service);
  const rows = await listSigningKeys(deps.db);
  const known = items.map((registry) => knowBy(deps, rows, registry));
  return { items: known, ...(next !== undefined && { next }) };
}

export async function changeRegistry(
  deps: ManageDeps,
  actor: Actor,
  service: string,
  change: Partial<RegistrySettings>,
): Promise<KnownRegistry> {
  requireSuperUser(actor);
  const known = await inTurn(deps.db, async (tx) => {
    await requireStanding(tx, actor);
    const stored = await requireRegistry(tx, service);
    await requireMatch(actor, viewOfRegistry(stored));
    const registry = { ...stored, ...change };
    refuseProblems(registryProblems(registry, deps.config));
    await updateRegistry(tx, registry.id, change);
    await (await openKeyLife(tx, deps)).complete(registry);
    const views = { before: recorded(stored), after: recorded(registry) };
    await recordChange(deps, tx, actor, { kind: "change_registry", ...views, metadata: { service } });
    return know(deps, tx, registry);
  });
  await deps.keys.reload();
  return known;
}

/** @param cascade whether the grants on it go too */
export async function deleteRegistry(deps: ManageDeps, actor: Actor, service: string, cascade: boolean): Promise<void> {
  requireSuperUser(actor);
  await inTurn(deps.db, async (tx) => {
    await requireStanding(tx, actor);
    const registry = (isService(service) && (await lockRegistry(tx, service))) || refuseUnknown(service);
    await requireMatch(actor, viewOfRegistry(registry));
    if (registry.isDefault) throw new ManagementError("conflict", "The default registry cannot be deleted.");
    const grants = await countGrantsOn(tx, registry.id);
    if (grants > 0 && !cascade) {
      throw new ManagementError(
        "conflict",
        `The registry ${service} has grants and anonymous pulls on it, ${grants} in all: delete them first, or send ?cascade=true.`,
      );
    }
    await deleteRegistryRow(tx, registry.id);
    await recordChange(deps, tx, actor, {
      kind: "delete_registry",
      before: recorded(registry),
      metadata: { service, grants },
    });
  });
  await deps.keys.reload();
}

/** @throws {ManagementError} when there is none of that service */
export async function requireRegistry(db: Db, service: string): Promise<Registry> {
  const registry = isService(service) ? await findRegistry(db, service) : undefined;
  return registry ?? refuseUnknown(service);
}

function refuseUnknown(service: string): never {
  throw notFound(`registry with the service ${service}`);
}

export async function know(deps: Pick<Deps, "clock">, db: Db, registry: Registry): Promise<KnownRegistry> {
  return knowBy(deps, await listSigningKeys(db), registry);
}

function knowBy({ clock }: Pick<Deps, "clock">, rows: readonly SigningKeyRow[], registry: Registry): KnownRegistry {
  const keys = rows.filter(({ registryId }) => registryId === registry.id);
  return { registry, keys, warnings: warningsOf(registry, keys, new Date(clock.now())) };
}

function warningsOf(registry: Registry, keys: readonly SigningKeyRow[], now: Date): string[] {
  const { keyProfile } = registry;
  const active = keys.find(({ purpose, status }) => purpose === "registry_token" && status === "active");
  const changing =
    active && active.profile !== keyProfile
      ? [
          `The key that signs is found by ${active.profile} still. Give the registry the present certs.pem or jwks.json, restart it, then POST …/rotate with {"force": true}.`,
        ]
      : [];
  return [...changing, ...turnWarnings(registry, keys, now)];
}

/** The query of a URL may hold a key. */
function recorded(registry: Registry) {
  return { ...viewOfRegistry(registry), fallback_realm: registry.fallbackRealm?.replace(/\?.*/, "?…") ?? null };
}
