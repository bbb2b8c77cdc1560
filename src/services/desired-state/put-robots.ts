import type { Problem } from "../../domain/binding.ts";
import { planExactly, type WholeEntry } from "../../domain/federation.ts";
import type { RobotName } from "../../domain/names.ts";
import { type Role, roleActions } from "../../domain/role.ts";
import type { BindingRecord } from "../../store/bindings.ts";
import type { RobotChange } from "../../store/robots.ts";
import type { Actor } from "../actor.ts";
import { putExactFederation } from "../manage-federation.ts";
import { putGrants, type RegistryGrant } from "../manage-grants.ts";
import { changeRobot, createRobot, deleteRobot } from "../manage-robots.ts";
import { getDefaultRegistry } from "../role-grants.ts";
import type { Attempts } from "./attempts.ts";
import { isSame } from "./difference.ts";
import { type OrganizationHoldings, type RobotHoldings, robotNameIn } from "./read-organization-state.ts";
import type { StateDeps } from "./together.ts";
import type { WantedOrganization, WantedRobot } from "./wanted.ts";

/** Makes the robots of an organization, their bindings and their grants what is wanted. */
export async function applyRobots(
  within: StateDeps,
  actor: Actor,
  holdings: OrganizationHoldings,
  wanted: WantedOrganization,
  attempts: Attempts,
  path: Problem["path"],
): Promise<void> {
  const { robots, unlisted } = wanted;
  const gone = new Set(
    robots && unlisted === "delete" ? [...holdings.robots.keys()].filter((name) => !Object.hasOwn(robots, name)) : [],
  );
  for (const name of gone) {
    if (robotNameIn(holdings, name) === actor.name) {
      attempts.problem([...path, "robots"], `leaves out ${actor.name}, as which you do this`);
      gone.delete(name);
    } else {
      await attempts.attempt([...path, "robots"], () => deleteRobot(within, actor, fullName(holdings, name)));
    }
  }
  for (const [name, robot] of Object.entries(robots ?? {})) {
    const place = [...path, "robots", name];
    const stored = holdings.robots.get(name);
    if (robot.disabled && robotNameIn(holdings, name) === actor.name) {
      attempts.problem([...place, "disabled"], "would shut you out, who do this: let somebody else disable the robot");
      continue;
    }
    const isThere = await attempts.attempt(place, () =>
      applyRobot(within, actor, fullName(holdings, name), stored, robot),
    );
    if (!isThere) gone.add(name);
    else if (robot.federation) {
      const { federation } = robot;
      await attempts.attempt([...place, "federation"], () =>
        applyFederation(within, actor, fullName(holdings, name), stored?.bindings ?? [], federation),
      );
    }
  }
  await applyGrants(within, actor, holdings, wanted, gone, attempts, path);
}

async function applyRobot(
  within: StateDeps,
  actor: Actor,
  name: RobotName,
  stored: RobotHoldings | undefined,
  { description, unstructuredMetadata, disabled }: WantedRobot,
): Promise<void> {
  if (!stored) {
    const given = { description: description ?? "", unstructuredMetadata: unstructuredMetadata ?? {} };
    // Nobody would be shown a static token.
    await createRobot(within, actor, name, { ...given, staticToken: false });
    if (disabled) await changeRobot(within, actor, name, { disabled });
    return;
  }
  const { robot } = stored;
  const change: RobotChange = {
    ...(description !== undefined && description !== robot.description && { description }),
    ...(unstructuredMetadata && !isSame(unstructuredMetadata, robot.unstructuredMetadata) && { unstructuredMetadata }),
    ...(disabled !== undefined && disabled !== robot.disabled && { disabled }),
  };
  if (Object.keys(change).length > 0) await changeRobot(within, actor, name, change);
}

async function applyFederation(
  within: StateDeps,
  actor: Actor,
  name: RobotName,
  stored: readonly BindingRecord[],
  entries: readonly WholeEntry[],
): Promise<void> {
  const plan = planExactly(stored, entries);
  const isSettled =
    plan.ok &&
    plan.bindings.length === stored.length &&
    plan.bindings.every((planned, index) => planned.action === "keep" && planned.stored === stored[index]);
  if (!isSettled) await putExactFederation(within, actor, name, entries);
}

async function applyGrants(
  within: StateDeps,
  actor: Actor,
  holdings: OrganizationHoldings,
  { robots = {}, prototypes, unlisted }: WantedOrganization,
  gone: ReadonlySet<string>,
  attempts: Attempts,
  path: Problem["path"],
): Promise<void> {
  const { service } = await getDefaultRegistry(within.db);
  const wide = `${holdings.organization.name}/*`;
  const isWideGrant = (grant: RegistryGrant) =>
    "repository" in grant && grant.repository === wide && (grant.registry ?? service) === service;
  const names = new Set([...holdings.robots.keys(), ...Object.keys(robots)].filter((name) => !gone.has(name)));
  for (const name of Object.keys(prototypes ?? {})) {
    if (!names.has(name)) attempts.problem([...path, "prototypes", name], "is no robot of the organization");
  }
  for (const name of names) {
    const wanted = Object.hasOwn(robots, name) ? robots[name]?.grants : undefined;
    if (!wanted && !prototypes) continue;
    const stored = holdings.robots.get(name);
    const isWide = wanted?.some(isWideGrant);
    const told = prototypes && Object.hasOwn(prototypes, name) ? prototypes[name] : undefined;
    if (isWide && told) {
      attempts.problem(
        [...path, "prototypes", name],
        `is the grant on ${wide} that the robot is given, too: leave one out`,
      );
      continue;
    }
    const kept = isWide || (prototypes && unlisted === "delete") ? undefined : stored?.prototype;
    const others = stored?.grants.map(toGrant).filter((grant) => !told || !isWideGrant(grant)) ?? [];
    const after = withPrototype(wanted ?? others, told ?? kept, wide);
    const before = withPrototype(stored?.grants.map(toGrant) ?? [], stored?.prototype, wide);
    if (isSame(comparable(before, service), comparable(after, service))) continue;
    await attempts.attempt([...path, "robots", name, "grants"], () =>
      putGrants(within, actor, fullName(holdings, name), after),
    );
  }
}

function withPrototype(grants: readonly RegistryGrant[], role: Role | undefined, repository: string): RegistryGrant[] {
  return role === undefined ? [...grants] : [...grants, { repository, actions: roleActions[role] }];
}

function toGrant({ registry, type, pattern, actions }: RobotHoldings["grants"][number]): RegistryGrant {
  return type === "registry" ? { registry, catalog: true } : { registry, repository: pattern, actions };
}

/** Grants mean the same in any order, and so do their actions. */
function comparable(grants: readonly RegistryGrant[], service: string): string[] {
  return grants
    .map((grant) => {
      const { registry = service } = grant;
      return JSON.stringify(
        "catalog" in grant ? [registry] : [registry, grant.repository, [...new Set(grant.actions)].sort()],
      );
    })
    .sort();
}

function fullName({ organization }: OrganizationHoldings, robot: string): RobotName {
  return { organization: organization.name, robot };
}
