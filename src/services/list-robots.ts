import type { Deps } from "../deps.ts";
import { ownsRepository } from "../domain/ownership.ts";
import { roleOf } from "../domain/role.ts";
import { listRepositoryGrants } from "../store/grants.ts";
import type { Organization } from "../store/organizations.ts";
import { listRobots, type Robot } from "../store/robots.ts";
import type { Actor } from "./actor.ts";
import { getOrganization } from "./manage-organizations.ts";
import { type Page, pageOf } from "./page.ts";
import { getDefaultRegistry } from "./role-grants.ts";

export interface ListedRobot {
  readonly robot: Robot;
  /** Those of the default registry that it has a role on, by name, where they are asked for. */
  readonly repositories?: readonly string[];
}

/** An organization's robots, by name. */
export async function pageRobots(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  organizationName: string,
  { after, limit, permissions }: { readonly after: string; readonly limit: number; readonly permissions: boolean },
): Promise<Page<ListedRobot>> {
  const organization = await getOrganization({ db }, actor, organizationName);
  const { items, ...page } = pageOf(await listRobots(db, organization.id, after, limit + 1), limit, ({ name }) => name);
  if (!permissions) return { items: items.map((robot) => ({ robot })), ...page };
  const repositories = await listRepositories(db, organization, items);
  return {
    items: items.map((robot) => ({ robot, repositories: repositories.get(robot.id)?.toSorted() ?? [] })),
    ...page,
  };
}

/** By the robots' ids. */
async function listRepositories(
  db: Deps["db"],
  organization: Organization,
  robots: readonly Robot[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const registry = await getDefaultRegistry(db);
  const held = await listRepositoryGrants(
    db,
    registry.id,
    robots.map(({ id }) => id),
  );
  const repositories = new Map<string, string[]>();
  for (const { robotId, pattern, actions } of held) {
    if (!ownsRepository(organization, pattern) || !roleOf(actions)) continue;
    const known = repositories.get(robotId);
    if (known) known.push(pattern);
    else repositories.set(robotId, [pattern]);
  }
  return repositories;
}
