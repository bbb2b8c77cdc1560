import type { Deps } from "../deps.ts";
import { createRefusalTally } from "../domain/refusal-tally.ts";
import { limits } from "../limits.ts";
import { epochSeconds } from "../platform.ts";
import { type AuditEvent, recordAudit } from "./audit.ts";

type TallyDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "refusalTally">;

/**
 * Records a refusal that proved nothing, or counts it: a flood of them must not fill the disk, nor one from
 * a single address keep the others' out of the log.
 */
export async function recordUnproved(deps: TallyDeps, event: AuditEvent & { readonly code: string }): Promise<void> {
  await summarizeRefusals(deps);
  const { refusalTally: tally, config } = deps;
  const address = event.clientAddress ?? "";
  const recordedOfAddress = tally.recordedOf.get(address) ?? 0;
  const share = Math.ceil(config.unprovedPerMinute * limits.audit.shareOfAddress);
  if (tally.recorded >= config.unprovedPerMinute || recordedOfAddress >= share) {
    tally.counted.set(event.code, (tally.counted.get(event.code) ?? 0) + 1);
    return;
  }
  tally.recorded += 1;
  tally.recordedOf.set(address, recordedOfAddress + 1);
  await recordAudit(deps.db, deps, event);
}

/** Once the minute is over, leaves one record of what was only counted in it. */
export async function summarizeRefusals(deps: TallyDeps): Promise<void> {
  const { refusalTally: tally, clock } = deps;
  const now = epochSeconds(clock);
  if (now < tally.from || now >= tally.from + limits.audit.summarySeconds) await writeSummary(deps);
}

/** Leaves one record of what was only counted, and begins to record again. */
export async function writeSummary(deps: TallyDeps): Promise<void> {
  const { refusalTally: tally, clock, random } = deps;
  const { from, counted } = tally;
  Object.assign(tally, { ...createRefusalTally(), from: epochSeconds(clock) });
  if (counted.size === 0) return;
  const summary: AuditEvent = {
    requestId: random.uuid(),
    clientAddress: undefined,
    kind: "federated_robot_token_refusals",
    outcome: "refused",
    metadata: {
      from: new Date(from * 1000).toISOString(),
      to: new Date(clock.now()).toISOString(),
      count: [...counted.values()].reduce((sum, one) => sum + one, 0),
      codes: Object.fromEntries(counted),
    },
  };
  try {
    await recordAudit(deps.db, deps, summary);
  } catch (error) {
    // What could not be told now is told with the next minute's.
    for (const [code, count] of counted) tally.counted.set(code, (tally.counted.get(code) ?? 0) + count);
    throw error;
  }
}
