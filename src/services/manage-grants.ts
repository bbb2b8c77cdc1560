import type { Deps } from "../deps.ts";
import type { Problem } from "../domain/binding.ts";
import type { RobotName } from "../domain/names.ts";
import { isRepositoryPattern, repositoryActions } from "../domain/scope.ts";
import { type GrantRow, keepRegistries, listGrants, replaceGrants } from "../store/grants.ts";
import { getRobot, getRobotToChange, recordChange } from "./manage-robots.ts";
import { refuseProblems } from "./management-error.ts";
import type { Actor } from "./principals.ts";

/** What a robot may do on one registry: to the repositories of a pattern, or to see the catalog. */
export type RegistryGrant = {
  /** The registry's `service`; absent: the default registry. */
  readonly registry?: string | undefined;
} & ({ readonly repository: string; readonly actions: readonly string[] } | { readonly catalog: true });

export async function getGrants(deps: Pick<Deps, "db">, actor: Actor, name: RobotName): Promise<RegistryGrant[]> {
  const robot = await getRobot(deps, actor, name);
  return readGrants(deps.db, robot.id);
}

/** Replaces all grants of a robot, on every registry. */
export async function putGrants(
  deps: Pick<Deps, "db" | "clock" | "random">,
  actor: Actor,
  name: RobotName,
  wanted: readonly RegistryGrant[],
): Promise<RegistryGrant[]> {
  return deps.db.transaction(async (tx) => {
    const robot = await getRobotToChange(tx, actor, name);
    const registries = await keepRegistries(tx);
    const problems: Problem[] = [];
    const rows: GrantRow[] = [];
    const seen = new Set<string>();

    for (const [index, grant] of wanted.entries()) {
      const registry = registries.find(({ service, isDefault }) =>
        grant.registry === undefined ? isDefault : service === grant.registry,
      );
      const problem = (member: string, message: string) => problems.push({ path: [index, member], message });
      if (!registry) problem("registry", "is no registry of this service");
      if ("repository" in grant && !isRepositoryPattern(grant.repository)) {
        problem("repository", "must be a repository's name, a prefix of names ending in /*, or *");
      }
      const resource = toResource(grant);
      const key = JSON.stringify([registry?.id, resource.type, resource.pattern]);
      if (seen.has(key)) problem("catalog" in grant ? "catalog" : "repository", "is granted twice on this registry");
      seen.add(key);
      rows.push({
        id: deps.random.uuid(),
        robotId: robot.id,
        registryId: registry?.id ?? "",
        position: index,
        ...resource,
      });
    }
    refuseProblems(problems);
    await replaceGrants(tx, robot.id, rows);
    await recordChange(deps, tx, actor, "change_robot_grants", name, { grants: wanted.map(describe) });
    return readGrants(tx, robot.id);
  });
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

async function readGrants(db: Deps["db"], robotId: string): Promise<RegistryGrant[]> {
  const rows = await listGrants(db, robotId);
  return rows.map(({ registry, type, pattern, actions }) =>
    type === "registry" ? { registry, catalog: true } : { registry, repository: pattern, actions },
  );
}

function describe(grant: RegistryGrant): string {
  const { type, pattern, actions } = toResource(grant);
  return `${grant.registry ?? ""} ${type}:${pattern}:${actions.join(",")}`.trim();
}
