import type { Deps } from "../deps.ts";
import type { JsonObject } from "../domain/json.ts";
import { isName, nameRule } from "../domain/names.ts";
import { overlap } from "../domain/ownership.ts";
import { inTurn } from "../store/alone.ts";
import { replaceAnonymousPulls } from "../store/anonymous-pulls.ts";
import { isUniqueViolation } from "../store/db.ts";
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
    await inTurn(deps.db, async (tx) => {
      await insertOrganization(tx, organization);
      await refuseOverlap(tx, organization);
      await recordOrganizationChange(deps, tx, actor, "org_create", name, {});
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
export function getOrganization({ db }: Pick<Deps, "db">, actor: Actor, name: string): Promise<Organization> {
  return requireOrganization(actor, name, () => findOrganization(db, name));
}

/** The organization, and nobody else changes it until the transaction ends, or relies on what it is. */
export function getOrganizationToChange(tx: Deps["db"], actor: Actor, name: string): Promise<Organization> {
  return requireOrganization(actor, name, () => lockOrganization(tx, name));
}

/** The organization, and nobody changes it until the transaction ends. */
export function getOrganizationToKeep(tx: Deps["db"], actor: Actor, name: string): Promise<Organization> {
  return requireOrganization(actor, name, () => keepOrganization(tx, name));
}

async function requireOrganization(
  actor: Actor,
  name: string,
  find: () => Promise<Organization | undefined>,
): Promise<Organization> {
  requireSuperUser(actor);
  const organization = await find();
  if (!organization) throw notFound(`organization ${name}`);
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

export async function pageOrganizations(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  { after, limit }: { after: string; limit: number },
): Promise<Page<Organization>> {
  requireSuperUser(actor);
  return pageOf(await listOrganizations(db, after, limit + 1), limit, ({ name }) => name);
}

/** Deletes an organization with its robots; the name stays taken. */
export async function deleteOrganization(deps: ManageDeps, actor: Actor, name: string): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const organization = await getOrganizationToChange(tx, actor, name);
    await deleteRobotsOf(tx, organization.id);
    await replaceAnonymousPulls(tx, organization.id, []);
    await markOrganizationDeleted(tx, organization.id, new Date(deps.clock.now()));
    await recordOrganizationChange(deps, tx, actor, "org_delete", name, {});
  });
}

/** Records a change to an organization, in the transaction that makes it. */
export function recordOrganizationChange(
  deps: Pick<Deps, "clock" | "random">,
  tx: Deps["db"],
  { principal, requestId, clientAddress }: Actor,
  kind: string,
  organization: string,
  metadata: JsonObject,
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
