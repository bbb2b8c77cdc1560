import type { Problem } from "../../domain/binding.ts";
import type { JsonObject } from "../../domain/json.ts";
import { formatRobotName, parseRobotName } from "../../domain/names.ts";
import { limits } from "../../limits.ts";
import { inTurn, oneByOne, patiently } from "../../store/alone.ts";
import { lockRobotsIn } from "../../store/robots.ts";
import { type Actor, requireRole } from "../actor.ts";
import { requireMatch } from "../entity-tag.ts";
import { deleteMember, putMember } from "../manage-members.ts";
import { getOrganization, getOrganizationToChange } from "../manage-organizations.ts";
import { ManagementError } from "../management-error.ts";
import { changeOrganization, type OrganizationSettings } from "../organization-settings.ts";
import { recordChange } from "../record-change.ts";
import { getDefaultRegistry } from "../role-grants.ts";
import { type Attempts, createAttempts } from "./attempts.ts";
import { difference, differing, isSame, type StateChange } from "./difference.ts";
import { openIssuers } from "./open-issuers.ts";
import { applyRobots } from "./put-robots.ts";
import { type OrganizationHoldings, readHoldings, robotNameIn, toDocument } from "./read-organization-state.ts";
import { type StateDeps, together, type Way, withoutConditions } from "./together.ts";
import type { WantedOrganization } from "./wanted.ts";

export interface AppliedState {
  readonly changes: readonly StateChange[];
  /** The document as it is now, or would be. */
  readonly document: JsonObject;
}

/** Makes an organization what a document says, whole or not at all. */
export async function putOrganizationState(
  deps: StateDeps,
  actor: Actor,
  name: string,
  wanted: WantedOrganization,
  isDryRun: boolean,
): Promise<AppliedState> {
  const transact = await turnFor(deps, actor, name, wanted);
  return together(deps, { isDryRun, transact }, async (within) => {
    const attempts = createAttempts();
    const applied = await applyOrganization(within, actor, name, wanted, attempts, []);
    attempts.finish();
    return applied;
  });
}

/** Names that change may be another organization's: then nobody else may change what organizations there are. */
async function turnFor(
  deps: StateDeps,
  actor: Actor,
  name: string,
  { settings }: WantedOrganization,
): Promise<Way["transact"]> {
  const organization = await getOrganization(deps, actor, name);
  requireRole(actor, organization, "admin");
  const { repositoryPrefixes } = organization;
  if (isSame(settings?.repositoryPrefixes ?? repositoryPrefixes, repositoryPrefixes)) {
    return (db, work) => oneByOne(db, `state of ${name}`, () => patiently(db, name, work));
  }
  if (actor.access.superUser !== true) {
    throw new ManagementError("forbidden", "Only a superuser may change settings.repository_prefixes.", [
      { path: ["settings", "repository_prefixes"], message: "are a superuser's to change" },
    ]);
  }
  return inTurn;
}

/** @param path where the organization stands in the document */
export async function applyOrganization(
  within: StateDeps,
  actor: Actor,
  name: string,
  wanted: WantedOrganization,
  attempts: Attempts,
  path: Problem["path"],
): Promise<AppliedState> {
  const organization = await getOrganizationToChange(within.db, actor, name);
  await lockRobotsIn(within.db, organization.id);
  const max = mostRobots(actor);
  const before = await readHoldings(within.db, organization, max);
  await requireMatch(actor, toDocument(before));
  const part = withoutConditions(actor);

  await openIssuers(within, [wanted]);
  await applyRobots(within, part, before, wanted, attempts, path);
  // Names can be given up once no robot holds a grant on them any more.
  await applySettings(within, part, before, wanted.settings, attempts, [...path, "settings"]);
  await applyMembers(within, part, before, wanted, attempts, [...path, "members"]);

  const after = await readHoldings(within.db, await getOrganization(within, actor, name), max);
  const [then, now] = [toDocument(before), toDocument(after)];
  const changes = differences(name, then, now);
  if (changes.length > 0) {
    const metadata = { changes: changes.map(({ action, kind, name: what }) => `${action} ${kind} ${what}`) };
    await recordChange(within, within.db, part, { kind: "put_organization_state", organization: name, metadata });
  }
  return { changes, document: now };
}

/** What others make must not keep a superuser, or a start, from putting a state. */
function mostRobots({ access }: Actor): number {
  return access.superUser === true ? Number.MAX_SAFE_INTEGER - 1 : limits.state.robots;
}

type Document = ReturnType<typeof toDocument>;

function differences(name: string, before: Document, after: Document): StateChange[] {
  const inFull = <T>(things: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(things).map(([robot, one]) => [`${name}+${robot}`, one]));
  const settings: StateChange = {
    action: "change",
    kind: "settings",
    name,
    before: differing(before.settings, after.settings),
    after: differing(after.settings, before.settings),
  };
  return [
    ...(isSame(before.settings, after.settings) ? [] : [settings]),
    ...difference("member", before.members, after.members),
    ...difference("robot", inFull(before.robots), inFull(after.robots)),
    ...difference("prototype", inFull(before.prototypes), inFull(after.prototypes)),
  ];
}

async function applySettings(
  within: StateDeps,
  actor: Actor,
  { organization, settings }: OrganizationHoldings,
  wanted: OrganizationSettings | undefined,
  attempts: Attempts,
  path: Problem["path"],
): Promise<void> {
  if (!wanted) return;
  const { service } = await getDefaultRegistry(within.db);
  const stored = { ...organization, anonymousPull: settings.anonymous_pull };
  const told: OrganizationSettings = {
    ...wanted,
    ...(wanted.anonymousPull && {
      anonymousPull: wanted.anonymousPull.map(({ registry = service, repository }) => ({ registry, repository })),
    }),
  };
  const changed = Object.entries(told).filter(([name, value]) => !isSame(value, stored[name as keyof typeof told]));
  const change: OrganizationSettings = Object.fromEntries(changed);
  if (changed.length === 0) return;
  await attempts.attempt(path, () => changeOrganization(within, actor, organization.name, change));
}

async function applyMembers(
  within: StateDeps,
  actor: Actor,
  { organization, members, robots }: OrganizationHoldings,
  { members: wanted, robots: wantedRobots, unlisted }: WantedOrganization,
  attempts: Attempts,
  path: Problem["path"],
): Promise<void> {
  if (!wanted) return;
  for (const [name, role] of Object.entries(wanted)) {
    if (Object.hasOwn(members, name) && members[name] === role) continue;
    const robot = parseRobotName(name);
    if (robot && formatRobotName(robot) !== name)
      attempts.problem([...path, name], `is the robot ${formatRobotName(robot)}: name it so`);
    else if (isOwnRole(actor, name))
      attempts.problem([...path, name], "is the role by which you do this: let somebody else change it");
    else await attempts.attempt([...path, name], () => putMember(within, actor, organization.name, name, role));
  }
  if (unlisted === "keep") return;
  const gone = [...robots.keys()]
    .filter((robot) => wantedRobots && !Object.hasOwn(wantedRobots, robot))
    .map((robot) => robotNameIn({ organization }, robot));
  for (const name of Object.keys(members)) {
    if (Object.hasOwn(wanted, name) || gone.includes(name)) continue;
    if (isOwnRole(actor, name)) attempts.problem(path, `leaves out ${name}, by whose role you do this`);
    else await attempts.attempt(path, () => deleteMember(within, actor, organization.name, name));
  }
}

function isOwnRole({ access, name }: Actor, member: string): boolean {
  return access.superUser !== true && name === member;
}
