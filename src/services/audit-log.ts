import type { Deps } from "../deps.ts";
import { type AuditFilter, type AuditRecord, listAuditRecords } from "../store/audit.ts";
import { getOrganization } from "./manage-organizations.ts";
import { type Page, pageOf } from "./page.ts";
import { type Actor, requireSuperUser } from "./principals.ts";

/** The audit log of one organization, or of all, newest first. */
export async function pageAuditLog(
  deps: Pick<Deps, "db">,
  actor: Actor,
  filter: AuditFilter,
  limit: number,
): Promise<Page<AuditRecord>> {
  requireSuperUser(actor);
  if (filter.organization !== undefined) await getOrganization(deps, actor, filter.organization);
  return pageOf(await listAuditRecords(deps.db, filter, limit + 1), limit, ({ id }) => id);
}
