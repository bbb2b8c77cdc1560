import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { JWK } from "jose";
import type { Condition } from "../../domain/binding.ts";
import { id, time } from "./columns.ts";
import { robots } from "./organizations.ts";

export const issuers = pgTable(
  "issuers",
  {
    id: id(),
    /** Several may share it, with keys of their own: every default Kubernetes cluster does. */
    issuer: text().notNull(),
    /** By a superuser; the others were opened by a binding. */
    registered: boolean().notNull().default(false),
    /** Moves with what its keys are found by. */
    revision: integer().notNull().default(1),
    name: text().unique(),
    preset: text(),
    jwks: jsonb().$type<{ readonly keys: readonly JWK[] }>(),
    jwksUri: text(),
    caPem: text(),
    algorithms: jsonb().$type<readonly string[]>(),
    allowPrivateNetwork: boolean().notNull().default(false),
    /** Seconds. */
    maxTokenAge: integer(),
    replayProtection: boolean(),
    audiences: jsonb().$type<readonly string[]>(),
    clients: jsonb().$type<readonly string[]>(),
    disabled: boolean().notNull().default(false),
    createdAt: time().notNull(),
  },
  (table) => [
    index("issuers_issuer").on(table.issuer),
    uniqueIndex("issuers_opened").on(table.issuer).where(sql`not ${table.registered}`),
  ],
);

export const bindings = pgTable(
  "bindings",
  {
    id: id(),
    robotId: uuid()
      .notNull()
      .references(() => robots.id, { onDelete: "cascade" }),
    issuerId: uuid()
      .notNull()
      .references(() => issuers.id),
    position: integer().notNull(),
    /** Moves with what decides; a robot token names the one it was minted under. */
    version: integer().notNull(),
    subject: text().notNull(),
    audiences: jsonb().$type<readonly string[]>(),
    clients: jsonb().$type<readonly string[]>(),
    claims: jsonb().$type<Readonly<Record<string, Condition>>>(),
    tokenTtl: integer(),
    scope: text(),
    mode: text({ enum: ["enforce", "audit"] }).notNull(),
    /** Whether robot tokens minted by it open the management API, with the robot's role. */
    api: boolean().notNull().default(false),
    expiresAt: time(),
    description: text(),
    createdAt: time().notNull(),
    lastUsed: time(),
    useCount: bigint({ mode: "number" }).notNull().default(0),
  },
  (table) => [
    index("bindings_robot").on(table.robotId, table.position),
    index("bindings_issuer_id").on(table.issuerId, table.id),
    index("bindings_subject").on(table.subject, table.id),
  ],
);

/**
 * Tokens of issuers with replay protection that were used for a robot, as long as they are good. Nothing is
 * referenced, since each row would hold up whoever changes its robot or its issuer.
 */
export const usedTokens = pgTable(
  "used_tokens",
  {
    issuerId: uuid().notNull(),
    jti: text().notNull(),
    robotId: uuid().notNull(),
    usedAt: time().notNull(),
    requestId: text().notNull(),
    expiresAt: time().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.issuerId, table.jti, table.robotId] }),
    index("used_tokens_expiry").on(table.expiresAt),
  ],
);

/** Robot tokens that their holders ended, as long as they would be good. */
export const revokedTokens = pgTable(
  "revoked_tokens",
  {
    jti: text().primaryKey(),
    expiresAt: time().notNull(),
  },
  (table) => [index("revoked_tokens_expiry").on(table.expiresAt)],
);
