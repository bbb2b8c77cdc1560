import type { Deps } from "../deps.ts";
import { patternsAround } from "../domain/scope.ts";
import { type GrantOfRobot, listGrantsTo } from "../store/grants.ts";
import { findRegistry } from "../store/registries.ts";
import { type Actor, requireSuperReader } from "./actor.ts";
import { refuseProblems } from "./management-error.ts";
import { type Page, pageOf } from "./page.ts";

export interface GrantQuery {
  /** A repository's name, or a pattern of grants. */
  readonly repository: string;
  /** A registry's `service`; absent: every registry. */
  readonly registry?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Every grant that covers a repository, or of a pattern any of those that it covers. */
export async function pageGrantsTo(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  { repository, registry, after, limit }: GrantQuery,
): Promise<Page<GrantOfRobot>> {
  requireSuperReader(actor);
  const filter = {
    registryId: registry === undefined ? undefined : await findRegistryId(db, registry),
    patterns: [...patternsAround(repository), "*"],
    below: repository.endsWith("*") ? repository.slice(0, -1) : undefined,
    after,
  };
  return pageOf(await listGrantsTo(db, filter, limit + 1), limit, ({ id }) => id);
}

/** @throws {ManagementError} when there is none: an empty list would say that nobody may do anything there */
async function findRegistryId(db: Deps["db"], service: string): Promise<string | undefined> {
  const registry = await findRegistry(db, service);
  if (!registry) refuseProblems([{ path: ["registry"], message: "is no registry of this service" }]);
  return registry?.id;
}
