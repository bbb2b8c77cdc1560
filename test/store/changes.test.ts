import { getTableColumns, getTableName, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { type Change, type Changes, readChange } from "../../src/store/changes.ts";
import * as schema from "../../src/store/schema.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

/** Of each table that decides who gets a token: what its changes are told as, and the columns that decide nothing. */
const tables: readonly [PgTable, Change["of"], readonly string[]][] = [
  [schema.organizations, "organization", ["id", "email", "repositoryPrefixes", "createdAt"]],
  [
    schema.robots,
    "robot",
    ["id", "description", "unstructuredMetadata", "createdAt", "createdBy", "creatorId", "role", "lastAccessed"],
  ],
  [schema.staticTokens, "robot", []],
  [schema.bindings, "robot", ["id", "description", "createdAt", "lastUsed", "useCount"]],
  [schema.grants, "robot", []],
  [schema.issuers, "issuer", []],
  [schema.registries, "registries", []],
  [schema.anonymousPulls, "anonymous_pulls", []],
  [schema.signingKeys, "keys", []],
];

const PATIENCE = { timeout: 20_000, interval: 20 };

/** They say who manages, what was done and what was counted. */
const decideNothing: readonly PgTable[] = [
  schema.usedTokens,
  schema.repositoryUses,
  schema.principals,
  schema.memberships,
  schema.apiTokens,
  schema.idempotencyKeys,
  schema.auditRecords,
];

it("knows of every table what its changes are told as", () => {
  const all = Object.values(schema).filter((one) => typeof one === "object") as PgTable[];
  const known = [...tables.map(([table]) => table), ...decideNothing, schema.revokedTokens];
  expect(known.map(getTableName).toSorted()).toEqual(all.map(getTableName).toSorted());
});

describe("changes in PostgreSQL", () => {
  let postgres: TestPostgres;
  let database: Database;
  let changes: Changes & { close(): Promise<void> };
  const heard: Change[] = [];
  const ids = Object.fromEntries(["organization", "robot", "issuer", "registry"].map((one) => [one, uuidv7()]));

  beforeAll(async () => {
    postgres = await startPostgres();
    database = await openPostgres(new Secret(await postgres.createDatabase("berth")));
    for (const statement of [
      sql`insert into organizations (id, name, created_at) values (${ids.organization}, 'acme', now())`,
      sql`insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
        values (${ids.robot}, ${ids.organization}, 'ci', '', '{}', now(), '')`,
      sql`insert into static_tokens (id, robot_id, token_hash, created_at, created_by)
        values (${uuidv7()}, ${ids.robot}, 'hash', now(), '')`,
      sql`insert into issuers (id, issuer, created_at) values (${ids.issuer}, 'https://issuer.example', now())`,
      sql`insert into bindings (id, robot_id, issuer_id, position, version, subject, mode, created_at)
        values (${uuidv7()}, ${ids.robot}, ${ids.issuer}, 0, 1, 's', 'enforce', now())`,
      sql`insert into registries (id, service, created_at) values (${ids.registry}, 'registry.example', now())`,
      sql`insert into grants (id, robot_id, registry_id, position, type, pattern, actions)
        values (${uuidv7()}, ${ids.robot}, ${ids.registry}, 0, 'repository', 'acme/app', '{pull}')`,
      sql`insert into anonymous_pulls (organization_id, registry_id, position, pattern)
        values (${ids.organization}, ${ids.registry}, 0, 'acme/open')`,
      sql`insert into signing_keys (id, purpose, status, kid, public_jwk, created_at)
        values (${uuidv7()}, 'robot_token', 'active', 'kid', '{}', now())`,
    ]) {
      await database.db.execute(statement);
    }
    const quiet = () => {};
    const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
    changes = await database.listen({ heard: (change) => heard.push(change), missed: () => {} }, 5, log);
    await vi.waitFor(() => expect(changes.areHeard()).toBe(true), PATIENCE);
  });
  beforeEach(() => {
    heard.length = 0;
  });
  afterAll(async () => {
    await changes.close();
    await database.close();
    await postgres.remove();
  });

  async function told(statement: ReturnType<typeof sql>): Promise<readonly Change[]> {
    heard.length = 0;
    await database.db.execute(statement);
    await changes.catchUp();
    return [...heard];
  }

  describe.each(tables.map(([table, of, silent]) => ({ table, name: getTableName(table), of, silent })))(
    "of $name",
    ({ table, of, silent }) => {
      const expected = of in ids ? { of, id: ids[of] } : { of };

      it.each(Object.keys(getTableColumns(table)))("are told when they are of %s, if it decides", async (column) => {
        const name = sql.identifier(column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
        const changed = await told(sql`update ${table} set ${name} = ${name}`);
        expect(changed).toEqual(silent.includes(column) ? [] : [expected]);
      });
    },
  );

  it("are told when somebody revokes a token", async () => {
    expect(await told(sql`insert into revoked_tokens values ('jti-1', now())`)).toEqual([
      { of: "revoked_token", jti: "jti-1" },
    ]);
  });

  it("are told of what goes with its robot, and not before it is committed", async () => {
    await database.db
      .transaction(async (tx) => {
        await tx.execute(sql`delete from robots`);
        await changes.catchUp();
        expect(heard).toEqual([]);
        throw new Error("undone");
      })
      .catch(() => {});
    await changes.catchUp();
    expect(heard).toEqual([]);
    const gone = await told(sql`delete from robots where id = ${ids.robot}`);
    expect(gone).toContainEqual({ of: "robot", id: ids.robot });
    expect(await told(sql`delete from organizations where id = ${ids.organization}`)).toContainEqual({
      of: "organization",
      id: ids.organization,
    });
  });
});

it("takes no notice of what only a later version tells", () => {
  expect(readChange("quota 1")).toBeUndefined();
  expect(readChange("")).toBeUndefined();
});
