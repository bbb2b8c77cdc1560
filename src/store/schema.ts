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
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { JWK } from "jose";
import { organizationRoles } from "../domain/access.ts";
import type { Condition } from "../domain/binding.ts";
import type { Json, JsonObject } from "../domain/json.ts";

const id = () => uuid().primaryKey();
const time = () => timestamp({ withTimezone: true, mode: "date", precision: 3 });

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
