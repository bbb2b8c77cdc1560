import type { Deps } from "../deps.ts";
import { limits } from "../limits.ts";
import { type AuditFilter, type AuditPosition, type AuditRecord, listAuditRecords } from "../store/audit.ts";
import { type Actor, requireStanding, requireSuperReader } from "./actor.ts";
import { getOrganization } from "./manage-organizations.ts";
import { refuseProblems } from "./management-error.ts";
import { type Page, pageOf } from "./page.ts";

type ReadDeps = Pick<Deps, "db">;

/** What is asked of the audit log. */
export interface AuditQuery {
  /** Whose log it is, by the organization's name; absent: all there is. */
  readonly log?: string;
  readonly filter: Omit<AuditFilter, "after">;
  /** The position after which to go on; empty: at the newest. */
  readonly after: string;
}

/** A page of the log, newest first. */
export async function pageAuditLog(
  deps: ReadDeps,
  actor: Actor,
  query: AuditQuery,
  limit: number,
): Promise<Page<AuditRecord>> {
  const filter = await readQuery(deps, actor, query);
  return pageOf(await listAuditRecords(deps.db, filter, limit + 1), limit, ({ at, id }) =>
    JSON.stringify([at.toISOString(), id]),
  );
}

/**
 * The same, on to the oldest record or to as many as are wanted: a piece is read when it is asked for, and
 * nothing is held in between.
 */
export async function* readAuditLog(
  deps: ReadDeps,
  actor: Actor,
  query: AuditQuery,
  wanted = Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly AuditRecord[], undefined> {
  let filter = await readQuery(deps, actor, query);
  for (let left = wanted; left > 0; ) {
    await requireStanding(deps.db, actor);
    const most = Math.min(left, limits.audit.streamedAtOnce);
    const records = await listAuditRecords(deps.db, filter, most);
    if (records.length > 0) yield records;
    const last = records.at(-1);
    if (!last || records.length < most) return;
    filter = { ...filter, after: last };
    left -= records.length;
  }
}

/** @throws {ManagementError} when the actor may not see that, or the position is none */
async function readQuery(deps: ReadDeps, actor: Actor, { log, filter, after }: AuditQuery): Promise<AuditFilter> {
  const position = after === "" ? {} : { after: readPosition(after) };
  if (log === undefined) {
    requireSuperReader(actor);
    return { ...filter, ...position };
  }
  const { name, createdAt } = await getOrganization(deps, actor, log);
  // The name may have been somebody else's before, whose log is not for those who have it now.
  const from = filter.from && filter.from > createdAt ? filter.from : createdAt;
  return { ...filter, ...position, organization: name, from };
}

function readPosition(text: string): AuditPosition {
  const [at, id] =
    /^\["(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"\]$/
      .exec(text)
      ?.slice(1) ?? [];
  const time = new Date(at ?? Number.NaN);
  if (id === undefined || !(time.getTime() >= 0)) {
    refuseProblems([{ path: ["next_page"], message: "must be the next_page of the page before" }]);
  }
  return { at: time, id: id as string };
}
