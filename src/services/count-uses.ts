import type { Deps } from "../deps.ts";
import { putRecent } from "../domain/recent.ts";
import { type IssuedUse, otherRepositories, type RepositoryUse } from "../domain/uses.ts";
import { limits } from "../limits.ts";

type CountDeps = Pick<Deps, "uses" | "limiter">;

/** What registry tokens were issued for, by repository, action and day. */
export async function countUses(deps: CountDeps, issued: Iterable<IssuedUse>): Promise<RepositoryUse[]> {
  const counted = new Map<string, RepositoryUse>();
  for (const { robotId, service, access, count, lastUsed } of issued) {
    const day = lastUsed.toISOString().slice(0, 10);
    for (const { type, name, actions } of access) {
      const asked = type === "repository" ? name : `${type}:${name}`;
      const repository = (await isNamed(deps, { robotId, service, repository: asked })) ? asked : otherRepositories;
      for (const action of actions) {
        const key = JSON.stringify([robotId, service, repository, action, day]);
        const before = counted.get(key)?.count ?? 0;
        counted.set(key, { robotId, service, repository, action, day, count: before + count, lastUsed });
      }
    }
  }
  return [...counted.values()];
}

/** Repositories need not exist to be asked for: whoever invents names must not fill the database with them. */
async function isNamed(
  { uses, limiter }: CountDeps,
  place: Pick<RepositoryUse, "robotId" | "service" | "repository">,
): Promise<boolean> {
  if (place.repository === otherRepositories) return true;
  const key = JSON.stringify([place.robotId, place.service, place.repository]);
  if (!uses.named.has(key)) {
    const wait = await limiter.take(`uses:${place.robotId}`, limits.uses.newRepositoriesPerMinute);
    if (wait > 0) return false;
  }
  putRecent(uses.named, key, true, limits.uses.named);
  return true;
}
