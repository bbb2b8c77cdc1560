import type { Deps } from "../deps.ts";
import { createRefusalTally, type RefusalTally } from "../domain/refusal-tally.ts";
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
    count(tally, event.kind, event.code, 1);
    tally.leftOut += 1;
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

/** Leaves one record of what was only counted, for each kind, and begins to record again. */
export async function writeSummary(deps: TallyDeps): Promise<void> {
  const { refusalTally: tally, clock } = deps;
  const { from, counted, leftOut } = tally;
  Object.assign(tally, { ...createRefusalTally(), leftOut, from: epochSeconds(clock) });
  const untold = new Map(counted);
  try {
    for (const [kind, codes] of counted) {
      await recordAudit(deps.db, deps, summaryOf(deps, kind, codes, from));
      untold.delete(kind);
    }
  } finally {
    // What could not be told now is told with the next minute's.
    for (const [kind, codes] of untold) for (const [code, times] of codes) count(tally, kind, code, times);
  }
}

function summaryOf(
  { clock, random }: TallyDeps,
  kind: string,
  codes: ReadonlyMap<string, number>,
  from: number,
): AuditEvent {
  return {
    requestId: random.uuid(),
    clientAddress: undefined,
    kind: `${kind.replace(/_exchange$/, "")}_refusals`,
    outcome: "refused",
    metadata: {
      from: new Date(from * 1000).toISOString(),
      to: new Date(clock.now()).toISOString(),
      count: [...codes.values()].reduce((sum, one) => sum + one, 0),
      codes: Object.fromEntries(codes),
    },
  };
}

function count({ counted }: RefusalTally, kind: string, code: string, times: number): void {
  const codes = counted.get(kind) ?? new Map<string, number>();
  codes.set(code, (codes.get(code) ?? 0) + times);
  counted.set(kind, codes);
}
