import type { Deps } from "../deps.ts";
import { roleIn } from "../domain/access.ts";
import type { JsonObject } from "../domain/json.ts";
import { formatRobotName, isRepositoryName, parseRobotName, type RobotName } from "../domain/names.ts";
import { ownsPattern, ownsRepository, type RepositoryOwner } from "../domain/ownership.ts";
import { type Role, roleActions, roleOf } from "../domain/role.ts";
import { authorize, type Grant } from "../domain/scope.ts";
import { printable } from "../domain/text.ts";
import { patiently } from "../store/alone.ts";
import { listAnonymousPullsOf } from "../store/anonymous-pulls.ts";
import { deleteRepositoryGrant, findRepositoryGrant, listGrantsOn, listGrantsToRepository } from "../store/grants.ts";
import { listPossibleOwners } from "../store/organizations.ts";
import type { Registry } from "../store/registries.ts";
import type { Actor } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { getOrganizationToKeep } from "./manage-organizations.ts";
import { getRobotOfOrganization, getRobotToChange } from "./manage-robots.ts";
import { type ManagementError, notFound } from "./management-error.ts";
import { recordChange } from "./record-change.ts";
import { getDefaultRegistry, putRole } from "./role-grants.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

/** A grant on one repository of the default registry, as Quay tells it. */
export interface RepositoryPermission {
  readonly robot: RobotName;
  readonly role: Role;
  /** Of the grant behind it, which may be more than the role says. */
  readonly actions: readonly string[];
}

/** A repository that a robot has a permission on. */
export interface PermittedRepository {
  readonly repository: string;
  readonly isPublic: boolean;
  readonly role: Role;
}

export async function getPermission(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  repository: string,
  user: string,
): Promise<RepositoryPermission> {
  const name = readUser(user);
  const { robot, organization } = await getRobotOfOrganization({ db }, actor, name);
  requireOwn(organization, repository);
  const grant = await findRepositoryGrant(db, robot.id, (await getDefaultRegistry(db)).id, repository);
  const role = grant && roleOf(grant.actions);
  if (!role) throw noPermission(name, repository);
  return { robot: name, role, actions: grant.actions };
}

/** Everybody who holds a grant on exactly that repository that is a role, and whose organization's it is. */
export async function listPermissions(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  repository: string,
): Promise<RepositoryPermission[]> {
  const owners = isRepositoryName(repository) ? await listPossibleOwners(db, repository) : [];
  if (!owners.some((owner) => ownsPattern(owner, repository) && roleIn(actor.access, owner.id))) {
    throw notFound(`repository ${printable(repository)} of any organization`);
  }
  const held = await listGrantsToRepository(db, (await getDefaultRegistry(db)).id, repository);
  return held.flatMap(({ robot, organization, actions }) => {
    const role = ownsPattern(organization, repository) ? roleOf(actions) : undefined;
    return role ? [{ robot: { organization: organization.name, robot }, role, actions }] : [];
  });
}

/** Puts a role in the place of the robot's grant on exactly that repository; its other grants stay. */
export async function putPermission(
  deps: ManageDeps,
  actor: Actor,
  repository: string,
  user: string,
  role: Role,
): Promise<RepositoryPermission> {
  const name = readUser(user);
  await patiently(deps.db, name.organization, async (tx) => {
    const { robotId, registry, before } = await openPermission(tx, actor, name, repository);
    await putRole(tx, { id: deps.random.uuid(), robotId, registryId: registry.id, pattern: repository }, role);
    await recordChange(deps, tx, actor, {
      kind: "change_repo_permission",
      robot: name,
      ...(before && { before }),
      after: { repository, actions: [...roleActions[role]] },
      metadata: { repository, role },
    });
  });
  return { robot: name, role, actions: [...roleActions[role]] };
}

/** Takes away the robot's grant on exactly that repository; its other grants stay. */
export async function deletePermission(
  deps: ManageDeps,
  actor: Actor,
  repository: string,
  user: string,
): Promise<void> {
  const name = readUser(user);
  await patiently(deps.db, name.organization, async (tx) => {
    const { robotId, registry, before } = await openPermission(tx, actor, name, repository);
    if (!(await deleteRepositoryGrant(tx, robotId, registry.id, repository))) throw noPermission(name, repository);
    await recordChange(deps, tx, actor, {
      kind: "delete_repo_permission",
      robot: name,
      ...(before && { before }),
      metadata: { repository },
    });
  });
}

/** The repositories that a robot has a role on, by name; grants by prefix are no repository's. */
export async function listRobotPermissions(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  name: RobotName,
): Promise<PermittedRepository[]> {
  const { robot, organization } = await getRobotOfOrganization({ db }, actor, name);
  const registry = await getDefaultRegistry(db);
  const [grants, pulls] = await Promise.all([
    listGrantsOn(db, robot.id, registry.id),
    listAnonymousPullsOf(db, [organization.id]),
  ]);
  const anonymous = pulls
    .filter(({ registry: service }) => service === registry.service)
    .map(({ pattern }): Grant => ({ type: "repository", pattern, actions: ["pull"] }));
  return grants
    .flatMap(({ type, pattern: repository, actions }) => {
      const role = type === "repository" && ownsRepository(organization, repository) ? roleOf(actions) : undefined;
      return role ? [{ repository, isPublic: isPublic(repository, anonymous), role }] : [];
    })
    .toSorted((one, other) => (one.repository < other.repository ? -1 : 1));
}

/** What a change needs, in the transaction that locks the robot. */
async function openPermission(
  tx: Deps["db"],
  actor: Actor,
  name: RobotName,
  repository: string,
): Promise<{ robotId: string; registry: Registry; before: JsonObject | undefined }> {
  const organization = await getOrganizationToKeep(tx, actor, name.organization, "admin");
  const robot = await getRobotToChange(tx, actor, name, "admins");
  requireOwn(organization, repository);
  const registry = await getDefaultRegistry(tx);
  const held = await findRepositoryGrant(tx, robot.id, registry.id, repository);
  const before = held && { repository, actions: held.actions };
  await requireMatch(actor, before);
  return { robotId: robot.id, registry, before };
}

/** Robots alone have permissions here. */
function readUser(user: string): RobotName {
  const name = parseRobotName(user);
  if (!name) throw notFound(`robot ${printable(user)}: name one in full, organization+robot`);
  return name;
}

function requireOwn(organization: RepositoryOwner, repository: string): void {
  if (!ownsRepository(organization, repository)) {
    throw notFound(`repository ${printable(repository)} of the organization ${organization.name}`);
  }
}

function isPublic(name: string, anonymous: readonly Grant[]): boolean {
  return authorize([{ type: "repository", name, actions: ["pull"] }], anonymous).length > 0;
}

function noPermission(name: RobotName, repository: string): ManagementError {
  return notFound(`permission of ${formatRobotName(name)} on ${repository}`);
}
