import type { Deps } from "../deps.ts";
import type { OrganizationRole, SuperUser } from "../domain/access.ts";
import type { Problem } from "../domain/binding.ts";
import { isName, nameRule } from "../domain/names.ts";
import { inTurn, patiently } from "../store/alone.ts";
import { isUniqueViolation } from "../store/db.ts";
import { deleteMembershipsOf, putMembership } from "../store/members.ts";
import { keepOrganization } from "../store/organizations.ts";
import {
  countSuperUserTokens,
  deletePrincipal as deletePrincipalRow,
  findPrincipal,
  findPrincipalById,
  insertPrincipal,
  listNamedRolesOf,
  listPrincipals,
  lockPrincipal,
  type NamedRole,
  type Principal,
  updatePrincipal,
} from "../store/principals.ts";
import { type Actor, requireStanding, requireSuperReader, requireSuperUser } from "./actor.ts";
import { bootstrapPrincipal } from "./bootstrap.ts";
import { requireMatch } from "./entity-tag.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { claim, once } from "./once.ts";
import { type Page, pageOf } from "./page.ts";
import { recordChange } from "./record-change.ts";
import { recordRole } from "./record-role.ts";
import { viewOfPrincipal } from "./views.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

export interface PrincipalSettings {
  readonly description: string;
  readonly superUser: SuperUser;
  /** By the organizations' names. */
  readonly roles: Readonly<Record<string, OrganizationRole>>;
}

/** A principal with the roles that it holds. */
export interface KnownPrincipal {
  readonly principal: Principal;
  readonly roles: readonly NamedRole[];
}

export async function createPrincipal(
  deps: ManageDeps,
  actor: Actor,
  name: string,
  settings: PrincipalSettings,
): Promise<KnownPrincipal> {
  requireSuperUser(actor);
  if (!isName(name)) refuseProblems([{ path: ["name"], message: `must be ${nameRule}` }]);
  if (name === bootstrapPrincipal) {
    throw new ManagementError(
      "conflict",
      `${name} is the superuser of BERTH_ADMIN_TOKEN, whom every start with that brings back: take another name.`,
    );
  }
  const principal: Principal = {
    id: deps.random.uuid(),
    name,
    ...toRow(settings),
    createdAt: new Date(deps.clock.now()),
  };
  const make = () =>
    patiently(deps.db, "/principals", async (tx) => {
      await requireStanding(tx, actor);
      await claim(deps, tx, actor, principal.id);
      const organizations = await keepOrganizations(tx, settings.roles);
      await insertPrincipal(tx, principal);
      await putRoles(tx, principal.id, organizations);
      const known = await know(tx, principal);
      await recordChange(deps, tx, actor, { kind: "create_principal", after: viewOfPrincipal(known) });
      await recordRoles(deps, tx, actor, name, [], known.roles);
      return known;
    });
  try {
    return await once(make, async (id) => know(deps.db, (await findPrincipalById(deps.db, id)) ?? refuseUnknown(name)));
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new ManagementError("conflict", `The principal ${name} exists already.`);
  }
}

/** Everybody may see itself, as far as its token goes. */
export async function getPrincipal({ db }: Pick<Deps, "db">, actor: Actor, name: string): Promise<KnownPrincipal> {
  const principal = await findPrincipal(db, name);
  if (!principal || !(actor.access.superUser || principal.id === actor.id)) refuseUnknown(name);
  const known = await know(db, principal);
  const { organizationIds } = actor.token;
  if (actor.access.superUser || organizationIds === null) return known;
  return { principal, roles: known.roles.filter(({ organizationId }) => organizationIds.includes(organizationId)) };
}

export async function pagePrincipals(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<Page<KnownPrincipal>> {
  requireSuperReader(actor);
  const { items, ...page } = pageOf(await listPrincipals(db, after, limit + 1), limit, ({ name }) => name);
  const roles = await listNamedRolesOf(
    db,
    items.map(({ id }) => id),
  );
  return {
    items: items.map((principal) => ({
      principal,
      roles: roles.filter(({ principalId }) => principalId === principal.id),
    })),
    ...page,
  };
}

/** Changes what is given; roles as a whole. */
export async function changePrincipal(
  deps: ManageDeps,
  actor: Actor,
  name: string,
  change: Partial<PrincipalSettings>,
): Promise<KnownPrincipal> {
  requireSuperUser(actor);
  return inTurn(deps.db, async (tx) => {
    await requireStanding(tx, actor);
    const organizations = change.roles && (await keepOrganizations(tx, change.roles));
    const principal = (await lockPrincipal(tx, name)) ?? refuseUnknown(name);
    const stored = await know(tx, principal);
    const before = viewOfPrincipal(stored);
    await requireMatch(actor, before);
    const row = toRow({ ...settingsOf(principal), ...change });
    await updatePrincipal(tx, principal.id, row);
    if (organizations) {
      await deleteMembershipsOf(tx, principal.id);
      await putRoles(tx, principal.id, organizations);
    }
    if (principal.superUser) await refuseLastSuperUserGone(deps, tx);
    const known = await know(tx, { ...principal, ...row });
    await recordChange(deps, tx, actor, {
      kind: "change_principal",
      before,
      after: viewOfPrincipal(known),
      metadata: { principal: name },
    });
    await recordRoles(deps, tx, actor, name, stored.roles, known.roles);
    return known;
  });
}

/** Deletes a principal with its tokens and its roles. */
export async function deletePrincipal(deps: ManageDeps, actor: Actor, name: string): Promise<void> {
  requireSuperUser(actor);
  await inTurn(deps.db, async (tx) => {
    await requireStanding(tx, actor);
    const principal = (await lockPrincipal(tx, name)) ?? refuseUnknown(name);
    const { roles } = await know(tx, principal);
    const before = viewOfPrincipal({ principal, roles });
    await requireMatch(actor, before);
    await deletePrincipalRow(tx, principal.id);
    if (principal.superUser) await refuseLastSuperUserGone(deps, tx);
    await recordChange(deps, tx, actor, { kind: "delete_principal", before, metadata: { principal: name } });
    await recordRoles(deps, tx, actor, name, roles, []);
  });
}

/**
 * Somebody must be left who can do everything. To be called in turn, since two superusers could end each other.
 *
 * @throws {ManagementError}
 */
export async function refuseLastSuperUserGone({ clock }: Pick<Deps, "clock">, tx: Deps["db"]): Promise<void> {
  const tomorrow = new Date(clock.now() + 24 * 3600 * 1000);
  if ((await countSuperUserTokens(tx, tomorrow)) > 0) return;
  throw new ManagementError(
    "conflict",
    "No superuser would be left with a token that is good for everything, and for another day: make another one first.",
  );
}

export function superUserOf({ superUser, superReader }: Principal): SuperUser {
  return superUser || (superReader && "read_only");
}

function settingsOf(principal: Principal): Omit<PrincipalSettings, "roles"> {
  return { description: principal.description, superUser: superUserOf(principal) };
}

function toRow({ description, superUser }: Omit<PrincipalSettings, "roles">) {
  return { description, superUser: superUser === true, superReader: superUser === "read_only" };
}

async function know(db: Deps["db"], principal: Principal): Promise<KnownPrincipal> {
  return { principal, roles: await listNamedRolesOf(db, [principal.id]) };
}

type RolesById = readonly (readonly [id: string, role: OrganizationRole])[];

/** The organizations that roles name, which stay until the transaction ends. */
async function keepOrganizations(tx: Deps["db"], roles: PrincipalSettings["roles"]): Promise<RolesById> {
  const problems: Problem[] = [];
  const found: [string, OrganizationRole][] = [];
  // In one order, so that two who name the same ones do not wait for each other.
  for (const [name, role] of Object.entries(roles).toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    const organization = await keepOrganization(tx, name);
    if (organization) found.push([organization.id, role]);
    else problems.push({ path: ["roles", name], message: "is no organization" });
  }
  refuseProblems(problems);
  return found;
}

async function putRoles(tx: Deps["db"], principalId: string, roles: RolesById): Promise<void> {
  for (const [organizationId, role] of roles) await putMembership(tx, organizationId, principalId, role);
}

/** Tells each organization whose roles change, as if an admin of it had done that. */
async function recordRoles(
  deps: ManageDeps,
  tx: Deps["db"],
  actor: Actor,
  member: string,
  before: readonly NamedRole[],
  after: readonly NamedRole[],
): Promise<void> {
  const roleIn = (roles: readonly NamedRole[], organization: string) =>
    roles.find((one) => one.organization === organization)?.role;
  for (const organization of new Set([...before, ...after].map((one) => one.organization))) {
    const [then, now] = [roleIn(before, organization), roleIn(after, organization)];
    if (then !== now) await recordRole(deps, tx, actor, { organization, member, before: then, after: now });
  }
}

function refuseUnknown(name: string): never {
  throw notFound(`principal ${name}`);
}
