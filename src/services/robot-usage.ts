import type { Deps } from "../deps.ts";
import type { RobotName } from "../domain/names.ts";
import type { RepositoryUse } from "../domain/uses.ts";
import { listRepositoryUses, type UsePosition } from "../store/repository-uses.ts";
import type { Actor } from "./actor.ts";
import { getRobot } from "./manage-robots.ts";
import { refuseProblems } from "./management-error.ts";
import { type Page, pageOf } from "./page.ts";

/** What a robot was given registry tokens for, latest day first. A second or so is not written down yet. */
export async function pageUsage(
  deps: Pick<Deps, "db">,
  actor: Actor,
  name: RobotName,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<Page<RepositoryUse>> {
  const robot = await getRobot(deps, actor, name);
  const position = after === "" ? undefined : readPosition(after);
  return pageOf(await listRepositoryUses(deps.db, robot.id, position, limit + 1), limit, toPosition);
}

function toPosition({ day, service, repository, action }: RepositoryUse): string {
  return JSON.stringify([day, service, repository, action]);
}

function readPosition(text: string): UsePosition {
  const parts = parse(text);
  const isPosition =
    Array.isArray(parts) &&
    parts.length === 4 &&
    parts.every((part) => typeof part === "string" && part.isWellFormed() && !part.includes("\0")) &&
    isDay(parts[0]);
  if (!isPosition) refuseProblems([{ path: ["next_page"], message: "must be the next_page of the page before" }]);
  const [day, service, repository, action] = parts as [string, string, string, string];
  return { day, service, repository, action };
}

/** Of the years that the database knows too. */
function isDay(text: string): boolean {
  if (!/^(?!0000)\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const at = Date.parse(text);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
