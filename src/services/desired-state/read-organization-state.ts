import type { Deps } from "../../deps.ts";
import type { OrganizationRole } from "../../domain/access.ts";
import type { JsonObject } from "../../domain/json.ts";
import { formatRobotName } from "../../domain/names.ts";
import { type Role, roleActions, roles } from "../../domain/role.ts";
import { limits } from "../../limits.ts";
import { type BindingRecord, listBindingsIn } from "../../store/bindings.ts";
import { listGrantsIn, type StoredGrant } from "../../store/grants.ts";
import { listSharedIssuers } from "../../store/issuers.ts";
import { listMembers } from "../../store/members.ts";
import type { Organization } from "../../store/organizations.ts";
import type { Registry } from "../../store/registries.ts";
import { listRobots, type Robot } from "../../store/robots.ts";
import type { Actor } from "../actor.ts";
import { getOrganization } from "../manage-organizations.ts";
import { ManagementError } from "../management-error.ts";
import { getDefaultRegistry } from "../role-grants.ts";
import { viewOfBinding, viewOfOrganization, viewOfRobot } from "../views.ts";
import { withSettings } from "../with-settings.ts";

/** A robot with all that it holds. */
export interface RobotHoldings {
  readonly robot: Robot;
  readonly bindings: readonly BindingRecord[];
  /** But for the one that is told as a prototype. */
  readonly grants: readonly StoredGrant[];
  readonly prototype?: Role;
}

export interface OrganizationHoldings {
  readonly organization: Organization;
  readonly settings: ReturnType<typeof viewOfOrganization>;
  /** By name. */
  readonly members: Readonly<Record<string, OrganizationRole>>;
  readonly robots: ReadonlyMap<string, RobotHoldings>;
  readonly defaultRegistry: Registry;
  /** The ids of issuers that are not the only ones of their string. */
  readonly sharedIssuers: ReadonlySet<string>;
}

/** The state of an organization, as a document that can be put back. */
export async function getOrganizationState(deps: Pick<Deps, "db">, actor: Actor, name: string): Promise<JsonObject> {
  const organization = await getOrganization(deps, actor, name);
  return toDocument(await readHoldings(deps.db, organization, limits.state.robots));
}

/**
 * @param max robots, and members
 * @throws {ManagementError} when there are more
 */
export async function readHoldings(
  db: Deps["db"],
  organization: Organization,
  max: number,
): Promise<OrganizationHoldings> {
  const robots = await listRobots(db, organization.id, "", max + 1);
  const members = await listMembers(db, organization, "", max + 1);
  if (robots.length > max || members.length > max) {
    throw new ManagementError(
      "conflict",
      `The organization ${organization.name} has more than ${max} robots or members: too many for one document. Manage them one by one.`,
    );
  }
  const settings = viewOfOrganization(await withSettings(db, organization));
  const bindings = Map.groupBy(await listBindingsIn(db, organization.id), ({ robotId }) => robotId);
  const grants = Map.groupBy(await listGrantsIn(db, organization.id), ({ robotId }) => robotId);
  const registry = await getDefaultRegistry(db);
  const prototypeOf = (grant: StoredGrant) =>
    grant.registryId === registry.id && grant.type === "repository" && grant.pattern === `${organization.name}/*`
      ? roles.find((role) => roleActions[role].join() === grant.actions.join())
      : undefined;
  const issuerIds = [...new Set([...bindings.values()].flat().map(({ issuerId }) => issuerId))];
  return {
    organization,
    settings,
    members: Object.fromEntries(members.map(({ name, role }) => [name, role])),
    robots: new Map(
      robots.map((robot) => {
        const held = grants.get(robot.id) ?? [];
        const prototype = held.map(prototypeOf).find((role) => role !== undefined);
        const others = held.filter((grant) => prototypeOf(grant) === undefined);
        const all = { robot, bindings: bindings.get(robot.id) ?? [], grants: others };
        return [robot.name, { ...all, ...(prototype && { prototype }) }];
      }),
    ),
    defaultRegistry: registry,
    sharedIssuers: new Set(await listSharedIssuers(db, issuerIds)),
  };
}

export function toDocument({ settings, members, robots, defaultRegistry, sharedIssuers }: OrganizationHoldings) {
  const all = [...robots];
  /** The default registry goes without saying, whatever it is called. */
  const onRegistry = ({ registry }: { readonly registry: string }) =>
    registry === defaultRegistry.service ? {} : { registry };
  return {
    settings: {
      ...settings,
      anonymous_pull: settings.anonymous_pull.map((one) => ({ ...onRegistry(one), repository: one.repository })),
    },
    members,
    robots: Object.fromEntries(
      all.map(([name, { robot, bindings, grants }]) => [
        name,
        {
          ...viewOfRobot(robot),
          federation: bindings.map((binding) => toEntry(binding, sharedIssuers.has(binding.issuerId))),
          grants: grants.map((grant) => ({ ...onRegistry(grant), ...toGrant(grant) })),
        },
      ]),
    ),
    prototypes: Object.fromEntries(all.flatMap(([name, { prototype }]) => (prototype ? [[name, prototype]] : []))),
  } satisfies JsonObject;
}

/** What deviates from an entry of an issuer and a subject alone. */
function toEntry(binding: BindingRecord, isShared: boolean): JsonObject {
  const { id: _, version: __, issuer_id, mode, api, ...view } = viewOfBinding(binding);
  const told = Object.entries(view).filter(([, value]) => value !== null);
  return {
    ...Object.fromEntries(told),
    ...(isShared && { issuer_id }),
    ...(mode !== "enforce" && { mode }),
    ...(api && { api }),
  };
}

function toGrant({ type, pattern, actions }: StoredGrant): JsonObject {
  return type === "registry" ? { catalog: true } : { repository: pattern, actions };
}

export function robotNameIn({ organization }: Pick<OrganizationHoldings, "organization">, robot: string): string {
  return formatRobotName({ organization: organization.name, robot });
}
