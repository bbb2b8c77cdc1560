import type { Json, JsonObject } from "../domain/json.ts";
import type { Clock, Random } from "../platform.ts";
import { insertAuditRecord, type NewAuditRecord } from "../store/audit.ts";
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
  await insertAuditRecord(db, toRecord({ clock, random }, event));
}

/** An event as its record is stored. */
export function toRecord(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  event: AuditEvent,
): NewAuditRecord {
  return {
    id: random.uuid(),
    at: new Date(clock.now()),
    ...event,
    clientAddress: event.clientAddress ?? null,
    metadata: storable(event.metadata),
  };
}

/** Tokens may hold what the database cannot, in names too: NUL, and halves of surrogate pairs. */
function storable(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [storableText(name), storableValue(one)]));
}

function storableValue(value: Json): Json {
  if (typeof value === "string") return storableText(value);
  if (Array.isArray(value)) return value.map(storableValue);
  return typeof value === "object" && value !== null ? storable(value as JsonObject) : value;
}

function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\ufffd");
}
