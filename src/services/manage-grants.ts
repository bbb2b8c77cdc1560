import type { Deps } from "../deps.ts";
import type { Problem } from "../domain/binding.ts";
import type { JsonObject } from "../domain/json.ts";
import type { RobotName } from "../domain/names.ts";
import { ownsPattern, type RepositoryOwner } from "../domain/ownership.ts";
import { isRepositoryPattern, repositoryActions } from "../domain/scope.ts";
import { patiently } from "../store/alone.ts";
import { type GrantRow, keepRegistries, listGrants, replaceGrants, type StoredGrant } from "../store/grants.ts";
import type { Actor } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { getOrganizationToKeep } from "./manage-organizations.ts";
import { getRobot, getRobotToChange } from "./manage-robots.ts";
import { ManagementError, refuseProblems } from "./management-error.ts";
import { recordChange } from "./record-change.ts";

/** What a robot may do on one registry: to the repositories of a pattern, or to see the catalog. */
export type RegistryGrant = {
  /** The registry's `service`; absent: the default registry. */
  readonly registry?: string | undefined;
} & ({ readonly repository: string; readonly actions: readonly string[] } | { readonly catalog: true });

export async function getGrants(deps: Pick<Deps, "db">, actor: Actor, name: RobotName): Promise<RegistryGrant[]> {
  const robot = await getRobot(deps, actor, name);
  return (await listGrants(deps.db, robot.id)).map(toGrant);
}

/** Replaces all grants of a robot, on every registry. */
export async function putGrants(
  deps: Pick<Deps, "db" | "clock" | "random">,
  actor: Actor,
  name: RobotName,
  wanted: readonly RegistryGrant[],
): Promise<RegistryGrant[]> {
  return patiently(deps.db, name.organization, async (tx) => {
    const organization = await getOrganizationToKeep(tx, actor, name.organization, "admin");
    const robot = await getRobotToChange(tx, actor, name, "admins");
    const stored = await listGrants(tx, robot.id);
    const before = stored.map((grant) => viewOfGrant(toGrant(grant)));
    await requireMatch(actor, before);
    const rows = toRows(wanted, stored, await keepRegistries(tx), () => ({
      id: deps.random.uuid(),
      robotId: robot.id,
    }));
    if (actor.access.superUser !== true) refuseForeign(organization, rows, stored);
    await replaceGrants(tx, robot.id, rows);
    const after = await listGrants(tx, robot.id);
    await recordChange(deps, tx, actor, {
      kind: "change_robot_grants",
      robot: name,
      before,
      after: after.map((grant) => viewOfGrant(toGrant(grant))),
    });
    return after.map(toGrant);
  });
}

/** @throws {ManagementError} with every problem */
function toRows(
  wanted: readonly RegistryGrant[],
  stored: readonly StoredGrant[],
  registries: Awaited<ReturnType<typeof keepRegistries>>,
  make: () => Pick<GrantRow, "id" | "robotId">,
): GrantRow[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  const rows = wanted.map((grant, position): GrantRow => {
    const registry = registries.find(({ service, isDefault }) =>
      grant.registry === undefined ? isDefault : service === grant.registry,
    );
    const problem = (member: string, message: string) => problems.push({ path: [position, member], message });
    if (!registry) problem("registry", "is no registry of this service");
    if ("repository" in grant && !isRepositoryPattern(grant.repository)) {
      problem("repository", "must be a repository's name, a prefix of names ending in /*, or *");
    }
    const row = { registryId: registry?.id ?? "", ...toResource(grant) };
    const key = JSON.stringify([row.registryId, row.type, row.pattern]);
    if (seen.has(key)) problem("catalog" in grant ? "catalog" : "repository", "is granted twice on this registry");
    seen.add(key);
    const { id, robotId } = make();
    return { id: stored.find((one) => isSame(one, row))?.id ?? id, robotId, position, ...row };
  });
  refuseProblems(problems);
  return rows;
}

/** What reaches beyond the organization is a superuser's to give; who may not give it can leave it as it is. */
function refuseForeign(organization: RepositoryOwner, rows: readonly GrantRow[], stored: readonly StoredGrant[]): void {
  const foreign = rows.flatMap((row, index): Problem[] => {
    const isOwn = row.type === "repository" && ownsPattern(organization, row.pattern);
    const isKept = stored.some(
      (one) => isSame(one, row) && row.actions.every((action) => one.actions.includes(action)),
    );
    if (isOwn || isKept) return [];
    return [
      row.type === "repository"
        ? { path: [index, "repository"], message: `is not the organization's own: ${organization.name}/…` }
        : { path: [index, "catalog"], message: "shows every organization's repositories" },
    ];
  });
  if (foreign.length === 0) return;
  const told = foreign.map(({ path, message }) => `${path.join(".")} ${message}`).join("; ");
  throw new ManagementError("forbidden", `Only a superuser may grant this: ${told}.`, foreign);
}

interface Resource {
  readonly registryId: string;
  readonly type: GrantRow["type"];
  readonly pattern: string;
}

function isSame(one: Resource, other: Resource): boolean {
  return one.registryId === other.registryId && one.type === other.type && one.pattern === other.pattern;
}

function toResource(grant: RegistryGrant): Pick<GrantRow, "type" | "pattern" | "actions"> {
  return "catalog" in grant
    ? { type: "registry", pattern: "catalog", actions: ["*"] }
    : {
        type: "repository",
        pattern: grant.repository,
        actions: repositoryActions.filter((action) => grant.actions.includes(action)),
      };
}

function toGrant({ registry, type, pattern, actions }: StoredGrant): RegistryGrant {
  return type === "registry" ? { registry, catalog: true } : { registry, repository: pattern, actions };
}

/** What can be edited of a stored grant. */
export function viewOfGrant({ registry, ...grant }: RegistryGrant): JsonObject {
  return { registry: registry ?? null, ...grant };
}
