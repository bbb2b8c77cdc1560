import type { Deps } from "../deps.ts";
import type { OrganizationRole } from "../domain/access.ts";
import { isName, nameRule } from "../domain/names.ts";
import { overlap } from "../domain/ownership.ts";
import { inTurn, patiently } from "../store/alone.ts";
import { replaceAnonymousPulls } from "../store/anonymous-pulls.ts";
import { isUniqueViolation } from "../store/db.ts";
import { deleteMembershipsIn } from "../store/members.ts";
import {
  findOrganization,
  insertOrganization,
  keepOrganization,
  listNamedOrPrefixed,
  listOrganizations,
  lockOrganization,
  markOrganizationDeleted,
  type Organization,
} from "../store/organizations.ts";
import { deleteRobotsOf } from "../store/robots.ts";
import { type Actor, requireRole, requireStanding, requireSuperUser } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { claim, once } from "./once.ts";
import { type Page, pageOf } from "./page.ts";
import { recordChange } from "./record-change.ts";
import { viewOfOrganization } from "./views.ts";
import { type OrganizationWithSettings, withSettings } from "./with-settings.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

export async function createOrganization(
  deps: ManageDeps,
  actor: Actor,
  { name, email }: { name: string; email: string | null },
): Promise<OrganizationWithSettings> {
  requireSuperUser(actor);
  if (!isName(name)) refuseProblems([{ path: ["name"], message: `must be ${nameRule}` }]);
  const organization: Organization = {
    id: deps.random.uuid(),
    name,
    email,
    audiences: null,
    clients: null,
    robotTokens: "on_request",
    repositoryPrefixes: [],
    createdAt: new Date(deps.clock.now()),
    deletedAt: null,
  };
  const make = () =>
    inTurn(deps.db, async (tx) => {
      await requireStanding(tx, actor);
      await claim(deps, tx, actor, organization.id);
      await insertOrganization(tx, organization);
      await refuseOverlap(tx, organization);
      const made = { organization, anonymousPulls: [] };
      await recordChange(deps, tx, actor, { kind: "org_create", organization: name, after: viewOfOrganization(made) });
      return made;
    });
  try {
    return await once(make, async (id) => {
      const found = await getOrganization(deps, actor, name);
      if (found.id !== id) throw notFound(`organization ${name} any more that this request made`);
      return withSettings(deps.db, found);
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new ManagementError("already_exists", await tellTaken(deps, name));
  }
}

async function tellTaken({ db }: Pick<Deps, "db">, name: string): Promise<string> {
  if (await findOrganization(db, name)) return `The organization ${name} exists already.`;
  return `An organization ${name} was deleted, and its images may be there still, so the name stays taken: DELETE /api/v1/deleted-organizations/${name} frees it.`;
}

/** @throws {ManagementError} when there is none of that name, or none that the actor may see */
export function getOrganization({ db }: Pick<Deps, "db">, actor: Actor, name: string): Promise<Organization> {
  return requireOrganization(actor, name, "reader", () => findOrganization(db, name));
}

/** The organization, and nobody else changes it until the transaction ends, or relies on what it is. */
export async function getOrganizationToChange(tx: Deps["db"], actor: Actor, name: string): Promise<Organization> {
  const organization = await requireOrganization(actor, name, "admin", () => lockOrganization(tx, name));
  await requireStanding(tx, actor);
  return organization;
}

/** The organization, and nobody changes it until the transaction ends. */
export async function getOrganizationToKeep(
  tx: Deps["db"],
  actor: Actor,
  name: string,
  needed: OrganizationRole,
): Promise<Organization> {
  const organization = await requireOrganization(actor, name, needed, () => keepOrganization(tx, name));
  await requireStanding(tx, actor);
  return organization;
}

async function requireOrganization(
  actor: Actor,
  name: string,
  needed: OrganizationRole,
  find: () => Promise<Organization | undefined>,
): Promise<Organization> {
  const organization = await find();
  if (!organization) throw notFound(`organization ${name}`);
  requireRole(actor, organization, needed);
  return organization;
}

/**
 * No two organizations call a repository their own. To be called in turn, since two of them could come together.
 *
 * @throws {ManagementError}
 */
export async function refuseOverlap(tx: Deps["db"], organization: Organization): Promise<void> {
  const names = [organization.name, ...organization.repositoryPrefixes].map((prefix) => prefix.split("/")[0] ?? "");
  const others = await listNamedOrPrefixed(tx, names, organization.id);
  const other = others.find((one) => overlap(one, organization));
  if (!other) return;
  throw new ManagementError(
    "conflict",
    `Names of the organization ${other.name} would be this one's too: look at its name and its repository_prefixes.`,
  );
}

/** Those that the actor may see. */
export async function pageOrganizations(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  { after, limit }: { after: string; limit: number },
): Promise<Page<Organization>> {
  const { superUser, roles } = actor.access;
  const within = superUser ? undefined : [...roles.keys()];
  return pageOf(await listOrganizations(db, { after, within }, limit + 1), limit, ({ name }) => name);
}

/** Deletes an organization with its robots; the name stays taken. */
export async function deleteOrganization(deps: ManageDeps, actor: Actor, name: string): Promise<void> {
  await patiently(deps.db, name, async (tx) => {
    const organization = await getOrganizationToChange(tx, actor, name);
    const before = viewOfOrganization(await withSettings(tx, organization));
    await requireMatch(actor, before);
    await deleteRobotsOf(tx, organization.id);
    await deleteMembershipsIn(tx, organization.id);
    await replaceAnonymousPulls(tx, organization.id, []);
    await markOrganizationDeleted(tx, organization.id, new Date(deps.clock.now()));
    await recordChange(deps, tx, actor, { kind: "org_delete", organization: name, before });
  });
}
