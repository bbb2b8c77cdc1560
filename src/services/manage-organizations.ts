import type { Deps } from "../deps.ts";
import { audiencesProblem } from "../domain/binding.ts";
import { isName, nameRule } from "../domain/names.ts";
import { isUniqueViolation } from "../store/db.ts";
import {
  findOrganization,
  insertOrganization,
  listOrganizations,
  markOrganizationDeleted,
  type Organization,
  type OrganizationChange,
  updateOrganization,
} from "../store/organizations.ts";
import { deleteRobotsOf } from "../store/robots.ts";
import { recordAudit } from "./audit.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { type Page, pageOf } from "./page.ts";
import { type Actor, requireSuperUser } from "./principals.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

export async function createOrganization(
  deps: ManageDeps,
  actor: Actor,
  { name, email }: { name: string; email: string | null },
): Promise<Organization> {
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
  try {
    await deps.db.transaction(async (tx) => {
      await insertOrganization(tx, organization);
      await record(deps, tx, actor, "org_create", name, {});
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new ManagementError(
      "already_exists",
      `The organization ${name} exists already, or existed once: names are not given twice, because images outlive them.`,
    );
  }
  return organization;
}

/** @throws {ManagementError} when there is none of that name */
export async function getOrganization({ db }: Pick<Deps, "db">, actor: Actor, name: string): Promise<Organization> {
  requireSuperUser(actor);
  const organization = await findOrganization(db, name);
  if (!organization) throw notFound(`organization ${name}`);
  return organization;
}

export async function pageOrganizations(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  { after, limit }: { after: string; limit: number },
): Promise<Page<Organization>> {
  requireSuperUser(actor);
  return pageOf(await listOrganizations(db, after, limit + 1), limit, ({ name }) => name);
}

export async function changeOrganization(
  deps: ManageDeps,
  actor: Actor,
  name: string,
  change: OrganizationChange,
): Promise<Organization> {
  return deps.db.transaction(async (tx) => {
    const organization = { ...(await getOrganization({ db: tx }, actor, name)), ...change };
    const problem = audiencesProblem(organization);
    if (problem) refuseProblems([{ path: ["audiences"], message: problem }]);
    await updateOrganization(tx, organization.id, change);
    await record(deps, tx, actor, "org_change", name, { changed: Object.keys(change) });
    return organization;
  });
}

/** Deletes an organization with its robots; the name stays taken. */
export async function deleteOrganization(deps: ManageDeps, actor: Actor, name: string): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const organization = await getOrganization({ db: tx }, actor, name);
    await deleteRobotsOf(tx, organization.id);
    await markOrganizationDeleted(tx, organization.id, new Date(deps.clock.now()));
    await record(deps, tx, actor, "org_delete", name, {});
  });
}

function record(
  deps: ManageDeps,
  tx: Deps["db"],
  { principal, requestId, clientAddress }: Actor,
  kind: string,
  organization: string,
  metadata: Record<string, string[]>,
): Promise<void> {
  return recordAudit(tx, deps, {
    requestId,
    clientAddress,
    kind,
    organization,
    actor: principal.name,
    outcome: "success",
    metadata,
  });
}
