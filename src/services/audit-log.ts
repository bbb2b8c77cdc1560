import type { Deps } from "../deps.ts";
import { type AuditFilter, type AuditRecord, listAuditRecords } from "../store/audit.ts";
import { type Actor, requireSuperReader } from "./actor.ts";
import { getOrganization } from "./manage-organizations.ts";
import { type Page, pageOf } from "./page.ts";

/** The audit log of one organization, or of all, newest first. */
export async function pageAuditLog(
  deps: Pick<Deps, "db">,
  actor: Actor,
  filter: AuditFilter,
  limit: number,
): Promise<Page<AuditRecord>> {
  if (filter.organization === undefined) requireSuperReader(actor);
  else await getOrganization(deps, actor, filter.organization);
  return pageOf(await listAuditRecords(deps.db, filter, limit + 1), limit, ({ id }) => id);
}
