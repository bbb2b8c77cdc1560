import { sql } from "drizzle-orm";
import { boolean, index, integer, jsonb, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { organizationRoles } from "../../domain/access.ts";
import type { JsonObject } from "../../domain/json.ts";
import { id, time } from "./columns.ts";

export const organizations = pgTable(
  "organizations",
  {
    id: id(),
    name: text().notNull().unique(),
    email: text(),
    audiences: jsonb().$type<readonly string[]>(),
    clients: jsonb().$type<readonly string[]>(),
    /** When its robots have static tokens. */
    robotTokens: text({ enum: ["on_create", "on_request", "never"] })
      .notNull()
      .default("on_request"),
    /** Further names that are its own: `legacy` with all below it, or only what is below `legacy/`. */
    repositoryPrefixes: jsonb().$type<readonly string[]>().notNull().default([]),
    createdAt: time().notNull(),
    /** A deleted organization keeps its name: images under it outlive it. */
    deletedAt: time(),
  },
  (table) => [index("organizations_prefixes").using("gin", table.repositoryPrefixes)],
);

export const robots = pgTable(
  "robots",
  {
    id: id(),
    organizationId: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    name: text().notNull(),
    description: text().notNull(),
    unstructuredMetadata: jsonb().$type<JsonObject>().notNull(),
    disabled: boolean().notNull().default(false),
    /** Moves when the robot is disabled; its tokens name the one that they were minted in. */
    tokenEpoch: integer().notNull().default(0),
    createdAt: time().notNull(),
    createdBy: text().notNull(),
    /** The principal or robot of that name, by which it is known whose the robot is. */
    creatorId: uuid(),
    /** What its tokens may do in the management of its organization, where a binding lets them. */
    role: text({ enum: organizationRoles }),
    lastAccessed: time(),
  },
  (table) => [
    unique("robots_name").on(table.organizationId, table.name),
    index("robots_role").on(table.organizationId, table.name).where(sql`${table.role} is not null`),
  ],
);

/** Passwords of robots that no identity provider vouches for. */
export const staticTokens = pgTable(
  "static_tokens",
  {
    id: id(),
    robotId: uuid()
      .notNull()
      .references(() => robots.id, { onDelete: "cascade" }),
    /** SHA-256, base64url. */
    tokenHash: text().notNull().unique(),
    createdAt: time().notNull(),
    createdBy: text().notNull(),
    expiresAt: time(),
  },
  (table) => [index("static_tokens_robot").on(table.robotId)],
);
