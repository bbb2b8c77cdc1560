import type { Deps } from "../deps.ts";
import { putRecent } from "../domain/recent.ts";
import type { ResourceActions } from "../domain/scope.ts";
import { addUse } from "../domain/uses.ts";
import { limits } from "../limits.ts";

/** What repositories are counted as, once a robot has used too many new ones in a short time. */
export const otherRepositories = "(others)";

export interface IssuedUse {
  readonly robotId: string;
  readonly service: string;
  readonly access: readonly ResourceActions[];
}

/** Notes what a robot was given a registry token for, to be written down with others. */
export async function noteUse(
  deps: Pick<Deps, "uses" | "limiter" | "clock">,
  { robotId, service, access }: IssuedUse,
): Promise<void> {
  const lastUsed = new Date(deps.clock.now());
  const day = lastUsed.toISOString().slice(0, 10);
  deps.uses.robots.set(robotId, lastUsed);
  for (const { type, name, actions } of access) {
    const asked = type === "repository" ? name : `${type}:${name}`;
    const repository = (await isNamed(deps, robotId, service, asked)) ? asked : otherRepositories;
    for (const action of actions) {
      addUse(deps.uses, { robotId, service, repository, action, day, count: 1, lastUsed });
    }
  }
}

/** Repositories need not exist to be asked for: whoever invents names must not fill the database with them. */
async function isNamed(
  { uses, limiter }: Pick<Deps, "uses" | "limiter">,
  robotId: string,
  service: string,
  repository: string,
): Promise<boolean> {
  // None of them has a line's end in it.
  const key = `${robotId}\n${service}\n${repository}`;
  if (!uses.named.has(key)) {
    const wait = await limiter.take(`uses:${robotId}`, limits.uses.newRepositoriesPerMinute);
    if (wait > 0) return false;
  }
  putRecent(uses.named, key, true, limits.uses.named);
  return true;
}
