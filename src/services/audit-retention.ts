import type { Config } from "../config.ts";
import { limits } from "../limits.ts";
import type { Clock, Random } from "../platform.ts";
import { unlessAnother } from "../store/alone.ts";
import { deleteAuditRecords } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import { recordAudit } from "./audit.ts";

export interface RetentionDeps {
  readonly config: Pick<Config, "auditRetentionDays">;
  readonly clock: Clock;
  readonly random: Random;
}

const DAY_MILLISECONDS = 24 * 3600 * 1000;

/**
 * Deletes audit records older than they are kept, by the whole day (UTC), so that the log does not fill up with
 * records of that. A little at a time: neither a statement nor a round of maintenance goes on for long.
 */
export async function deleteOldRecords(db: Db, deps: RetentionDeps): Promise<void> {
  const { config, clock } = deps;
  if (config.auditRetentionDays === 0) return;
  const today = Math.floor(clock.now() / DAY_MILLISECONDS) * DAY_MILLISECONDS;
  const before = new Date(today - config.auditRetentionDays * DAY_MILLISECONDS);
  let deleted = 0;
  try {
    for (let statement = 0; statement < limits.audit.deletion.statements; statement += 1) {
      const { records } = limits.audit.deletion;
      const more = (await unlessAnother(db, (tx) => deleteAuditRecords(tx, before, records))) ?? 0;
      deleted += more;
      if (more < records) return;
    }
  } finally {
    if (deleted > 0) await recordDeletion(db, deps, deleted, before);
  }
}

async function recordDeletion(db: Db, deps: RetentionDeps, deleted: number, before: Date): Promise<void> {
  await recordAudit(db, deps, {
    requestId: deps.random.uuid(),
    clientAddress: undefined,
    kind: "audit_retention",
    outcome: "success",
    metadata: { deleted, before: before.toISOString() },
  });
}
