import { boolean, index, jsonb, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { organizationRoles } from "../../domain/access.ts";
import type { Json, JsonObject } from "../../domain/json.ts";
import { id, time } from "./columns.ts";
import { organizations } from "./organizations.ts";

/** Who may manage. */
export const principals = pgTable("principals", {
  id: id(),
  name: text().notNull().unique(),
  description: text().notNull().default(""),
  superUser: boolean().notNull(),
  /** Sees all, and changes nothing; of one that is no superuser. */
  superReader: boolean().notNull().default(false),
  createdAt: time().notNull(),
});

/** What principals may do in organizations. */
export const memberships = pgTable(
  "memberships",
  {
    organizationId: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    principalId: uuid()
      .notNull()
      .references(() => principals.id, { onDelete: "cascade" }),
    role: text({ enum: organizationRoles }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.organizationId, table.principalId] }),
    index("memberships_principal").on(table.principalId),
  ],
);

export const apiTokens = pgTable(
  "api_tokens",
  {
    id: id(),
    principalId: uuid()
      .notNull()
      .references(() => principals.id, { onDelete: "cascade" }),
    name: text().notNull(),
    /** SHA-256, base64url. */
    tokenHash: text().notNull().unique(),
    /** Changes nothing, whatever its principal may. */
    readOnly: boolean().notNull().default(false),
    /** The organizations that it is good for, by their ids, and for nothing else; `null`: all that its principal may. */
    organizationIds: uuid().array(),
    createdAt: time().notNull(),
    createdBy: text().notNull().default(""),
    expiresAt: time(),
    lastUsed: time(),
  },
  (table) => [unique("api_tokens_name").on(table.principalId, table.name)],
);

/** What requests with an `Idempotency-Key` made, for as long as they may be repeated. */
export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    /** Of the principal or robot that sent it. */
    actorId: uuid().notNull(),
    /** SHA-256, base64url. */
    keyHash: text().notNull(),
    /** SHA-256 of the request, base64url. */
    requestHash: text().notNull(),
    /** The id of what was made. */
    madeId: uuid().notNull(),
    createdAt: time().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.actorId, table.keyHash] }),
    index("idempotency_keys_time").on(table.createdAt),
  ],
);

/** Append-only. Rows name things as they were called at the time, so that they outlive them. */
export const auditRecords = pgTable(
  "audit_records",
  {
    /** Version 7: later records of one instance sort after earlier ones. */
    id: id(),
    at: time().notNull(),
    kind: text().notNull(),
    organization: text(),
    /** `org+robot`. */
    robot: text(),
    actor: text(),
    outcome: text({ enum: ["success", "refused"] }).notNull(),
    code: text(),
    requestId: text().notNull(),
    clientAddress: text(),
    /** Of a change: what was different before, and after. */
    before: jsonb().$type<Json>(),
    after: jsonb().$type<Json>(),
    metadata: jsonb().$type<JsonObject>().notNull(),
  },
  (table) => [
    index("audit_records_time").on(table.at, table.id),
    index("audit_records_organization_time").on(table.organization, table.at, table.id),
    index("audit_records_robot").on(table.robot, table.at, table.id),
    index("audit_records_kind").on(table.kind, table.at, table.id),
    index("audit_records_actor").on(table.actor, table.at, table.id),
    index("audit_records_request").on(table.requestId),
  ],
);
