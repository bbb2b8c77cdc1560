import type { Deps } from "../deps.ts";
import type { OrganizationRole } from "../domain/access.ts";
import { formatRobotName, parseRobotName, type RobotName } from "../domain/names.ts";
import { printable } from "../domain/text.ts";
import { patiently } from "../store/alone.ts";
import { findMember, findMembership, listMembers, type Member, putMembership } from "../store/members.ts";
import { keepPrincipal } from "../store/principals.ts";
import { updateRobot } from "../store/robots.ts";
import type { Actor } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { getOrganization, getOrganizationToChange } from "./manage-organizations.ts";
import { getRobotToChange } from "./manage-robots.ts";
import { type ManagementError, notFound } from "./management-error.ts";
import { type Page, pageOf } from "./page.ts";
import { recordRole } from "./record-role.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

/** Who holds a role in an organization: principals, then robots, by name. */
export async function pageMembers(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  organizationName: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<Page<Member>> {
  const organization = await getOrganization({ db }, actor, organizationName);
  return pageOf(await listMembers(db, organization, after, limit + 1), limit, ({ name }) => name);
}

export async function getMember(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  organizationName: string,
  name: string,
): Promise<Member> {
  const organization = await getOrganization({ db }, actor, organizationName);
  const member = await findMember(db, organization, name);
  if (!member) throw noRole(name, organizationName);
  return member;
}

/** Gives a principal, or a robot of the organization, a role in the place of the one that it holds. */
export async function putMember(
  deps: ManageDeps,
  actor: Actor,
  organization: string,
  name: string,
  role: OrganizationRole,
): Promise<Member> {
  const member = await changeMember(deps, actor, organization, name, role);
  return { name: member.name, kind: member.kind, role };
}

/** Takes away the role that somebody holds. */
export async function deleteMember(deps: ManageDeps, actor: Actor, organization: string, name: string): Promise<void> {
  await changeMember(deps, actor, organization, name, undefined);
}

async function changeMember(
  deps: ManageDeps,
  actor: Actor,
  organizationName: string,
  name: string,
  role: OrganizationRole | undefined,
): Promise<MemberToChange> {
  return patiently(deps.db, organizationName, async (tx) => {
    const organization = await getOrganizationToChange(tx, actor, organizationName);
    const member = await openMember(tx, actor, organization, name);
    await requireMatch(actor, member.role && { role: member.role });
    if (role === undefined && member.role === undefined) throw noRole(name, organizationName);
    await member.put(role);
    await recordRole(deps, tx, actor, {
      organization: organizationName,
      member: member.name,
      ...(member.robot && { robot: member.robot }),
      before: member.role,
      after: role,
    });
    return member;
  });
}

interface MemberToChange {
  readonly name: string;
  readonly kind: Member["kind"];
  readonly robot?: RobotName;
  /** What it holds so far. */
  readonly role: OrganizationRole | undefined;
  put(role: OrganizationRole | undefined): Promise<void>;
}

function noRole(name: string, organization: string): ManagementError {
  return notFound(`role of ${printable(name)} in the organization ${organization}`);
}

async function openMember(
  tx: Deps["db"],
  actor: Actor,
  organization: { readonly id: string; readonly name: string },
  name: string,
): Promise<MemberToChange> {
  const robotName = parseRobotName(name);
  if (robotName) {
    if (robotName.organization !== organization.name) {
      throw notFound(`robot ${printable(name)} of the organization ${organization.name}: only its own hold a role`);
    }
    const robot = await getRobotToChange(tx, actor, robotName, "admins");
    return {
      name: formatRobotName(robotName),
      kind: "robot",
      robot: robotName,
      role: robot.role ?? undefined,
      put: (role) => updateRobot(tx, robot.id, { role: role ?? null }),
    };
  }
  const principal = await keepPrincipal(tx, name);
  if (!principal) {
    throw notFound(`principal ${printable(name)}; a robot is named in full, ${organization.name}+robot`);
  }
  return {
    name,
    kind: "service",
    role: await findMembership(tx, organization.id, principal.id),
    put: (role) => putMembership(tx, organization.id, principal.id, role),
  };
}
