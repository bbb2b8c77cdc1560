import type { Json, JsonObject } from "../domain/json.ts";
import type { Clock, Random } from "../platform.ts";
import { insertAuditRecord } from "../store/audit.ts";
import type { Db } from "../store/db.ts";

/** Where a request came from, as the audit log keeps it. */
export interface RequestOrigin {
  readonly requestId: string;
  readonly clientAddress: string | undefined;
}

export interface AuditEvent extends RequestOrigin {
  readonly kind: string;
  readonly organization?: string;
  readonly robot?: string;
  readonly actor?: string;
  readonly outcome: "success" | "refused";
  readonly code?: string;
  readonly metadata: JsonObject;
}

/** Writes one audit record: hand in the transaction that does what it tells of. */
export async function recordAudit(
  db: Db,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  event: AuditEvent,
): Promise<void> {
  await insertAuditRecord(db, {
    id: random.uuid(),
    at: new Date(clock.now()),
    ...event,
    clientAddress: event.clientAddress ?? null,
    metadata: storable(event.metadata),
  });
}

/** Tokens may hold what the database cannot: NUL, and halves of surrogate pairs. */
function storable<T extends Json>(value: T): T {
  const text = JSON.stringify(value, (_, member) =>
    typeof member === "string" ? member.toWellFormed().replaceAll("\u0000", "\ufffd") : member,
  );
  return JSON.parse(text);
}
