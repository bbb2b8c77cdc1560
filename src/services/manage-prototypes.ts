import type { Deps } from "../deps.ts";
import type { JsonObject } from "../domain/json.ts";
import { formatRobotName, parseRobotName, type RobotName } from "../domain/names.ts";
import { type Role, roleActions, roleOf } from "../domain/role.ts";
import { patiently } from "../store/alone.ts";
import {
  deleteRepositoryGrant,
  findGrantByPattern,
  findRepositoryGrant,
  type GrantsByPattern,
  listGrantsByPattern,
} from "../store/grants.ts";
import type { Organization } from "../store/organizations.ts";
import { lockRobot } from "../store/robots.ts";
import type { Actor } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { getOrganization, getOrganizationToKeep } from "./manage-organizations.ts";
import { ManagementError, notFound } from "./management-error.ts";
import { claim, once } from "./once.ts";
import { type Page, pageOf } from "./page.ts";
import { recordChange } from "./record-change.ts";
import { getDefaultRegistry, putRole } from "./role-grants.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

/** A robot's grant on all repositories of its organization, on the default registry. */
interface WideGrant {
  readonly id: string;
  readonly robot: RobotName;
  readonly actions: readonly string[];
  /** The greatest that it contains; a grant that cannot pull contains none. */
  readonly role: Role | undefined;
}

/** A default permission, as Quay calls such a grant. */
export interface Prototype extends WideGrant {
  readonly role: Role;
}

/** What can be edited of it, whole: a grant may hold more than its role says. */
export function viewOfPrototype({ robot, role, actions }: WideGrant) {
  return { delegate: formatRobotName(robot), role: role ?? null, actions: [...actions] } satisfies JsonObject;
}

/** Those of an organization, by the robots' names. */
export async function pagePrototypes(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  organizationName: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<Page<Prototype>> {
  const organization = await getOrganization({ db }, actor, organizationName);
  const held = await listGrantsByPattern(db, await allRepositories(db, organization), after, limit + 1);
  const { items, ...next } = pageOf(held, limit, ({ robot }) => robot);
  return { items: items.map((grant) => toWideGrant(organization, grant)).filter(isPrototype), ...next };
}

export async function getPrototype(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  organizationName: string,
  id: string,
): Promise<Prototype> {
  const organization = await getOrganization({ db }, actor, organizationName);
  return findPrototype(db, organization, await allRepositories(db, organization), id);
}

/** Puts a role in the place of the one that the robot has by default, if any. */
export async function putPrototype(
  deps: ManageDeps,
  actor: Actor,
  organizationName: string,
  { delegate, role }: { readonly delegate: string; readonly role: Role },
): Promise<Prototype> {
  return once(
    () =>
      patiently(deps.db, organizationName, async (tx) => {
        const organization = await getOrganizationToKeep(tx, actor, organizationName, "admin");
        const by = await allRepositories(tx, organization);
        const name = parseRobotName(delegate);
        const found = name?.organization === organization.name ? await lockRobot(tx, name) : undefined;
        if (!found) throw noDelegate(organization);
        const held = await findRepositoryGrant(tx, found.robot.id, by.registryId, by.pattern);
        const before = held && toWideGrant(organization, { ...held, robot: found.robot.name });
        const id = held?.id ?? deps.random.uuid();
        await claim(deps, tx, actor, id);
        await requireMatch(actor, before && viewOfPrototype(before));
        return changePrototype(deps, tx, actor, by, found.robot.id, before, {
          id,
          robot: { organization: organization.name, robot: found.robot.name },
          role,
          actions: roleActions[role],
        });
      }),
    (id) => getPrototype(deps, actor, organizationName, id),
  );
}

export async function changePrototypeRole(
  deps: ManageDeps,
  actor: Actor,
  organizationName: string,
  id: string,
  role: Role,
): Promise<Prototype> {
  return patiently(deps.db, organizationName, async (tx) => {
    const { by, robotId, prototype } = await openPrototype(tx, actor, organizationName, id);
    const after = { ...prototype, role, actions: roleActions[role] };
    return changePrototype(deps, tx, actor, by, robotId, prototype, after);
  });
}

/** Takes the grant away; what the robot holds by other patterns stays. */
export async function deletePrototype(
  deps: ManageDeps,
  actor: Actor,
  organizationName: string,
  id: string,
): Promise<void> {
  await patiently(deps.db, organizationName, async (tx) => {
    const { by, robotId, prototype } = await openPrototype(tx, actor, organizationName, id);
    await deleteRepositoryGrant(tx, robotId, by.registryId, by.pattern);
    await recordChange(deps, tx, actor, {
      kind: "delete_prototype_permission",
      robot: prototype.robot,
      before: viewOfPrototype(prototype),
      metadata: metadataOf(prototype),
    });
  });
}

async function changePrototype(
  deps: ManageDeps,
  tx: Deps["db"],
  actor: Actor,
  by: GrantsByPattern,
  robotId: string,
  before: WideGrant | undefined,
  after: Prototype,
): Promise<Prototype> {
  await putRole(tx, { id: after.id, robotId, registryId: by.registryId, pattern: by.pattern }, after.role);
  await recordChange(deps, tx, actor, {
    kind: before?.role ? "modify_prototype_permission" : "create_prototype_permission",
    robot: after.robot,
    ...(before && { before: viewOfPrototype(before) }),
    after: viewOfPrototype(after),
    metadata: metadataOf(after),
  });
  return after;
}

/** What a change of one that is there needs, with its robot locked. */
async function openPrototype(
  tx: Deps["db"],
  actor: Actor,
  organizationName: string,
  id: string,
): Promise<{ by: GrantsByPattern; robotId: string; prototype: Prototype }> {
  const organization = await getOrganizationToKeep(tx, actor, organizationName, "admin");
  const by = await allRepositories(tx, organization);
  const locked = await lockRobot(tx, (await findPrototype(tx, organization, by, id)).robot);
  if (!locked) throw noPrototype(organization, id);
  const prototype = await findPrototype(tx, organization, by, id);
  await requireMatch(actor, viewOfPrototype(prototype));
  return { by, robotId: locked.robot.id, prototype };
}

async function findPrototype(
  db: Deps["db"],
  organization: Organization,
  by: GrantsByPattern,
  id: string,
): Promise<Prototype> {
  const found = await findGrantByPattern(db, by, id);
  const grant = found && toWideGrant(organization, found);
  if (!grant || !isPrototype(grant)) throw noPrototype(organization, id);
  return grant;
}

async function allRepositories(db: Deps["db"], { id, name }: Organization): Promise<GrantsByPattern> {
  return { organizationId: id, registryId: (await getDefaultRegistry(db)).id, pattern: `${name}/*` };
}

function toWideGrant(
  { name: organization }: Organization,
  { id, robot, actions }: { readonly id: string; readonly robot: string; readonly actions: readonly string[] },
): WideGrant {
  return { id, robot: { organization, robot }, role: roleOf(actions), actions };
}

function isPrototype(grant: WideGrant): grant is Prototype {
  return grant.role !== undefined;
}

function metadataOf({ id, robot, role }: Prototype): JsonObject {
  return { prototypeid: id, role, delegate_user: formatRobotName(robot) };
}

function noDelegate({ name }: Organization): ManagementError {
  const message = `must be a robot of the organization, in full: ${name}+…`;
  return new ManagementError("invalid", `delegate.name ${message}`, [{ path: ["delegate", "name"], message }]);
}

function noPrototype({ name }: Organization, id: string): ManagementError {
  return notFound(`default permission ${id} in the organization ${name}`);
}
