import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  date,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { JWK } from "jose";
import { id, time } from "./columns.ts";
import { organizations, robots } from "./organizations.ts";

export const registries = pgTable(
  "registries",
  {
    id: id(),
    service: text().notNull().unique(),
    isDefault: boolean().notNull().default(false),
    /** Where clients reach it, a host with or without a port; `null`: at its `service`. */
    host: text(),
    /** How its next signing key will be made known to it. */
    keyProfile: text({ enum: ["x5c", "kid"] })
      .notNull()
      .default("x5c"),
    /** Days that a signing key is active; `null`: as its profile has it. */
    rotationDays: integer(),
    /** Seconds; `null`: as the service has it. */
    tokenTtl: integer(),
    /** What its tokens say, where it trusts another issuer than `PUBLIC_URL`. */
    issuer: text(),
    /** The token server that still answers for people. */
    fallbackRealm: text(),
    refreshTokens: boolean().notNull().default(false),
    createdAt: time().notNull(),
  },
  (table) => [uniqueIndex("registries_default").on(table.isDefault).where(sql`${table.isDefault}`)],
);

/** What anybody may pull, without a credential. */
export const anonymousPulls = pgTable(
  "anonymous_pulls",
  {
    organizationId: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    registryId: uuid()
      .notNull()
      .references(() => registries.id, { onDelete: "cascade" }),
    position: integer().notNull(),
    /** As of grants. */
    pattern: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.organizationId, table.registryId, table.pattern] }),
    index("anonymous_pulls_pattern").on(table.registryId, table.pattern),
  ],
);

/**
 * How often registry tokens were issued for what, by day: written in batches. Nothing is referenced, so that
 * no pull waits for whoever changes its robot.
 */
export const repositoryUses = pgTable(
  "repository_uses",
  {
    robotId: uuid().notNull(),
    service: text().notNull(),
    repository: text().notNull(),
    action: text().notNull(),
    /** UTC. */
    day: date({ mode: "string" }).notNull(),
    count: bigint({ mode: "number" }).notNull(),
    lastUsed: time().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.robotId, table.day, table.service, table.repository, table.action] }),
    index("repository_uses_day").on(table.day),
  ],
);

export const grants = pgTable(
  "grants",
  {
    id: id(),
    robotId: uuid()
      .notNull()
      .references(() => robots.id, { onDelete: "cascade" }),
    registryId: uuid()
      .notNull()
      .references(() => registries.id, { onDelete: "cascade" }),
    position: integer().notNull(),
    type: text({ enum: ["repository", "registry"] }).notNull(),
    /** A repository's name, a prefix of some ending in a slash and a star, or a star; of the registry: `catalog`. */
    pattern: text().notNull(),
    actions: text().array().notNull(),
  },
  (table) => [
    unique("grants_resource").on(table.robotId, table.registryId, table.type, table.pattern),
    // Patterns are looked for by how they start, too, whatever the order of texts in the database.
    index("grants_pattern").on(table.registryId, table.type, table.pattern.op("text_pattern_ops")),
  ],
);

export const signingKeys = pgTable(
  "signing_keys",
  {
    id: id(),
    purpose: text({ enum: ["robot_token", "registry_authority", "registry_token"] }).notNull(),
    registryId: uuid().references(() => registries.id, { onDelete: "cascade" }),
    /** `next` is published and does not sign yet, `retired` is still trusted for a while, `revoked` never again. */
    status: text({ enum: ["next", "active", "retired", "revoked"] }).notNull(),
    /** How a registry that it signs for knows it; of keys of registry tokens alone. */
    profile: text({ enum: ["x5c", "kid"] }),
    kid: text().notNull(),
    publicJwk: jsonb().$type<JWK>().notNull(),
    /** `null` once it will not sign again. */
    sealedPrivateKey: text(),
    /** PEM, with those above it, if any; of registries' keys alone. */
    certificate: text(),
    notAfter: time(),
    createdAt: time().notNull(),
    activatedAt: time(),
    retiredAt: time(),
  },
  (table) => [
    uniqueIndex("signing_keys_active")
      .on(table.purpose, sql`coalesce(${table.registryId}::text, '')`)
      .where(sql`${table.status} = 'active'`),
    uniqueIndex("signing_keys_next")
      .on(table.purpose, sql`coalesce(${table.registryId}::text, '')`)
      .where(sql`${table.status} = 'next'`),
    check("signing_keys_owner", sql`(${table.purpose} = 'robot_token') = (${table.registryId} is null)`),
  ],
);
