import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { migrate } from "drizzle-orm/pglite/migrator";
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Database, openEmbedded } from "../../src/ports/node/database.ts";
import { maintain } from "../../src/services/bootstrap.ts";
import { createKeys } from "../../src/services/key-ring.ts";
import { unheard } from "../../src/store/changes.ts";
import { findDefaultRegistry } from "../../src/store/registries.ts";
import { findRobot } from "../../src/store/robots.ts";
import { listSigningKeys } from "../../src/store/signing-keys.ts";
import { issueAuthority, issueLeaf } from "../../src/tokens/certificates.ts";
import { isRegistryToken, mintRegistryToken } from "../../src/tokens/registry-token.ts";
import { createSealer, type Sealer } from "../../src/tokens/sealing.ts";
import { generateKey, type KeyPurpose, openKey, type SealedKey } from "../../src/tokens/signing-key.ts";
import { makeSealingKey } from "../support/signing-keys.ts";

const now = Date.UTC(2030, 0, 1);
const seconds = now / 1000;
const service = "registry.example";
const registryId = uuidv7();
const adminId = uuidv7();
/** By the robots that they made. */
const makers = { ci: "admin", left: "gone" };
/** The migrations of the version before registries had keys that follow one another. */
const OLD_MIGRATIONS = 4;
let directory: string;
let sealer: Sealer;
let database: Database;
let authorityPem: string;
let oldToken: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-upgrade-"));
  sealer = await createSealer([makeSealingKey()]);
  const client = await PGlite.create(await made(join(directory, "pglite")));
  await migrate(drizzle(client), { migrationsFolder: await oldMigrations() });
  await fill(client);
  await client.close();
  database = await openEmbedded(directory);
});

afterAll(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

async function made(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  return path;
}

async function oldMigrations(): Promise<string> {
  const folder = new URL("../../drizzle/", import.meta.url);
  const journal = JSON.parse(await readFile(new URL("meta/_journal.json", folder), "utf8"));
  const entries: { tag: string }[] = journal.entries.slice(0, OLD_MIGRATIONS);
  const copy = join(directory, "migrations");
  await made(join(copy, "meta"));
  await writeFile(join(copy, "meta/_journal.json"), JSON.stringify({ ...journal, entries }));
  await Promise.all(entries.map(({ tag }) => copyFile(new URL(`${tag}.sql`, folder), join(copy, `${tag}.sql`))));
  return copy;
}

/** A registry with one key of each kind, as that version made them. */
async function fill(client: PGlite): Promise<void> {
  const createdAt = new Date(now);
  await client.query("insert into registries (id, service, is_default, created_at) values ($1, $2, true, $3)", [
    registryId,
    service,
    createdAt,
  ]);
  const make = (purpose: KeyPurpose) => {
    const owner = { id: uuidv7(), purpose, registryId: purpose === "robot_token" ? null : registryId, profile: null };
    return generateKey(owner, sealer);
  };
  const insert = (key: SealedKey, certificate?: { pem: string; notAfter: number }) =>
    client.query(
      `insert into signing_keys (id, purpose, registry_id, status, kid, public_jwk, sealed_private_key, certificate,
        not_after, created_at) values ($1, $2, $3, 'active', $4, $5, $6, $7, $8, $9)`,
      [
        key.id,
        key.purpose,
        key.registryId,
        key.kid,
        JSON.stringify(key.publicJwk),
        key.sealedPrivateKey,
        certificate?.pem ?? null,
        certificate ? new Date(certificate.notAfter * 1000) : null,
        createdAt,
      ],
    );
  await client.query(`insert into principals (id, name, super_user, created_at) values ($1, 'admin', true, $2)`, [
    adminId,
    createdAt,
  ]);
  await client.query(`insert into organizations (id, name, created_at) values ($1, 'acme', $2)`, [uuidv7(), createdAt]);
  for (const [robot, maker] of Object.entries(makers)) {
    await client.query(
      `insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
        select $1, id, $2, '', '{}', $3, $4 from organizations`,
      [uuidv7(), robot, createdAt, maker],
    );
  }
  await insert(await make("robot_token"));
  const [authority, leaf] = [await make("registry_authority"), await make("registry_token")];
  const issuer = await openKey(authority, sealer);
  const root = await issueAuthority(issuer, service, seconds);
  await insert(authority, root);
  const key = await openKey(leaf, sealer);
  const issued = await issueLeaf(key, service, { key: issuer, pem: root.pem }, seconds, 90 * 24 * 3600);
  await insert(leaf, issued);
  authorityPem = root.pem;
  oldToken = await mintRegistryToken(
    { issuer: "i", service, subject: "", access: [], jti: "j", issuedAt: seconds, ttl: 900 },
    { sign: key.sign, hint: { x5c: [] } },
  );
}

describe("a database of the version before", () => {
  it("has its robots, each known by who made it, where that is still there", async () => {
    const creators = await Promise.all(
      Object.keys(makers).map(async (robot) => (await findRobot(database.db, { organization: "acme", robot }))?.robot),
    );
    expect(creators).toMatchObject([
      { createdBy: "admin", creatorId: adminId, role: null },
      { createdBy: "gone", creatorId: null, role: null },
    ]);
  });

  it("has its keys and its registry as they were, and what they did not say is settled", async () => {
    const keys = await listSigningKeys(database.db);
    expect(keys.map(({ purpose, status, profile }) => [purpose, status, profile]).sort()).toEqual([
      ["registry_authority", "active", null],
      ["registry_token", "active", "x5c"],
      ["robot_token", "active", null],
    ]);
    for (const { activatedAt, retiredAt } of keys) expect([activatedAt, retiredAt]).toEqual([new Date(now), null]);
    expect(await findDefaultRegistry(database.db)).toMatchObject({
      id: registryId,
      service,
      keyProfile: "x5c",
      issuer: null,
      refreshTokens: false,
    });
  });

  it("is given next keys, while the ones it had go on signing what its registry accepts", async () => {
    const clock = { now: () => now + 3600 * 1000 };
    await maintain(database.db, { config: { auditRetentionDays: 0 }, sealer, clock, random: { uuid: uuidv7 } });
    const keys = await listSigningKeys(database.db);
    expect(keys.map(({ purpose, status }) => `${status} ${purpose}`).sort()).toEqual([
      "active registry_authority",
      "active registry_token",
      "active robot_token",
      "next registry_authority",
      "next registry_token",
      "next robot_token",
    ]);
    const { certificates, verifying } = await createKeys({ db: database.db, sealer, clock, changes: unheard }).registry(
      registryId,
    );
    expect(certificates[0]).toBe(authorityPem);
    expect(certificates).toHaveLength(2);
    expect(await isRegistryToken(oldToken, { issuer: "i", service }, verifying, seconds + 60)).toBe(true);
  });
});
