import { limits } from "../limits.ts";
import { type Clock, epochSeconds, type Random } from "../platform.ts";
import { type Db, UnpreparedError } from "../store/db.ts";
import { listRegistries } from "../store/registries.ts";
import { insertSigningKey, listSigningKeys, retireSigningKey, type SigningKeyRow } from "../store/signing-keys.ts";
import { type Certificate, certificateBody, issueAuthority, issueLeaf } from "../tokens/certificates.ts";
import type { Keys, PublicKey, RegistryKeys, RobotTokenKeys } from "../tokens/key-ring.ts";
import type { Sealer } from "../tokens/sealing.ts";
import { generateKey, importPublicKey, type KeyPurpose, openKey, type SigningKey } from "../tokens/signing-key.ts";

export interface KeysDeps {
  readonly db: Db;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

interface KeyRing {
  readonly robotToken: RobotTokenKeys;
  readonly registries: ReadonlyMap<string, RegistryKeys>;
  /** The x coordinates of all, retired ones included. */
  readonly points: ReadonlySet<string | undefined>;
}

/** The key ring as it was last read: nothing but values, so that it may outlive the request that read it. */
export interface KeyMemory {
  last?: { readonly ring: KeyRing; readonly freshUntil: number };
}

/**
 * The keys in the database, read again now and then, by one at a time.
 *
 * @param memory what a platform that lends a database to one request only keeps between requests
 */
export function createKeys(deps: KeysDeps, memory: KeyMemory = {}): Keys {
  let underway: Promise<KeyRing> | undefined;

  const read = async (): Promise<KeyRing> => {
    if (memory.last && epochSeconds(deps.clock) < memory.last.freshUntil) return memory.last.ring;
    underway ??= load().finally(() => {
      underway = undefined;
    });
    return underway;
  };

  const load = async (): Promise<KeyRing> => {
    const freshUntil = epochSeconds(deps.clock) + limits.keyring.freshSeconds;
    const ring = await loadKeyRing(deps);
    memory.last = { ring, freshUntil };
    return ring;
  };

  return {
    async robotToken() {
      return (await read()).robotToken;
    },
    async registry(registryId) {
      const keys = (await read()).registries.get(registryId);
      if (!keys) throw new Error(`registry ${registryId} has no keys`);
      return keys;
    },
    async isOwn({ x }) {
      return x !== undefined && (await read()).points.has(x);
    },
  };
}

async function loadKeyRing({ db, sealer }: KeysDeps): Promise<KeyRing> {
  const rows = await listSigningKeys(db);
  const registryIds = new Set(rows.map(({ registryId }) => registryId).filter((id) => id !== null));
  const registries = new Map<string, RegistryKeys>();
  for (const id of registryIds) registries.set(id, await loadRegistryKeys(rows, id, sealer));

  const robotRows = ofPurpose(rows, "robot_token", null);
  return {
    registries,
    points: new Set(rows.map(({ publicJwk }) => publicJwk.x)),
    robotToken: {
      signing: await openKey(activeRow(robotRows), sealer),
      verifying: await Promise.all(robotRows.map(toPublicKey)),
    },
  };
}

async function loadRegistryKeys(
  rows: readonly SigningKeyRow[],
  registryId: string,
  sealer: Sealer,
): Promise<RegistryKeys> {
  const leaves = ofPurpose(rows, "registry_token", registryId);
  const authorities = ofPurpose(rows, "registry_authority", registryId);
  const active = activeRow(leaves);
  return {
    signing: { ...(await openKey(active, sealer)), certificate: certificateBody(active.certificate ?? "") },
    verifying: await Promise.all(leaves.map(({ publicJwk }) => importPublicKey(publicJwk))),
    authorities: authorities.map(({ certificate }) => certificate ?? ""),
  };
}

async function toPublicKey({ kid, publicJwk }: SigningKeyRow): Promise<PublicKey> {
  return { kid, publicJwk, publicKey: await importPublicKey(publicJwk) };
}

function ofPurpose(rows: readonly SigningKeyRow[], purpose: KeyPurpose, registryId: string | null) {
  return rows.filter((row) => row.purpose === purpose && row.registryId === registryId);
}

function activeRow(rows: readonly SigningKeyRow[]): SigningKeyRow {
  const active = rows.find(({ status }) => status === "active");
  if (!active) throw new UnpreparedError("there is no active signing key");
  return active;
}

/**
 * Makes the keys that are missing, and replaces leaf certificates well before they end. Call it in a
 * transaction that nobody else makes keys in.
 *
 * @throws {SealError} when the sealing keys given do not open what is stored
 */
export async function maintainKeys(tx: Db, { sealer, clock, random }: MaintainDeps): Promise<void> {
  const rows = await listSigningKeys(tx);
  const now = epochSeconds(clock);
  for (const row of rows) if (row.sealedPrivateKey !== null) await openKey(row, sealer);

  if (ofPurpose(rows, "robot_token", null).length === 0) await addKey("robot_token", null);
  for (const registry of await listRegistries(tx)) {
    const authority = await ensureAuthority(registry.id, registry.service);
    await ensureLeaf(registry.id, registry.service, authority);
  }

  async function ensureAuthority(registryId: string, service: string) {
    const stored = ofPurpose(rows, "registry_authority", registryId).find(({ status }) => status === "active");
    const row = stored ?? (await addKey("registry_authority", registryId, (key) => issueAuthority(key, service, now)));
    return { key: await openKey(row, sealer), pem: row.certificate ?? "" };
  }

  async function ensureLeaf(registryId: string, service: string, authority: { key: SigningKey; pem: string }) {
    const stored = ofPurpose(rows, "registry_token", registryId).find(({ status }) => status === "active");
    const endsAt = (stored?.notAfter?.getTime() ?? 0) / 1000;
    if (stored && endsAt - now > limits.certificates.leafRenewBeforeSeconds) return;
    if (stored) await retireSigningKey(tx, stored.id);
    await addKey("registry_token", registryId, (key) => issueLeaf(key, service, authority, now));
  }

  async function addKey(
    purpose: KeyPurpose,
    registryId: string | null,
    certify?: (key: SigningKey) => Promise<Certificate>,
  ): Promise<SigningKeyRow> {
    const sealed = await generateKey(random.uuid(), purpose, registryId, sealer);
    const certificate = await certify?.(await openKey(sealed, sealer));
    const row: SigningKeyRow = {
      ...sealed,
      status: "active",
      profile: purpose === "registry_token" ? "x5c" : null,
      certificate: certificate?.pem ?? null,
      notAfter: certificate ? new Date(certificate.notAfter * 1000) : null,
      createdAt: new Date(clock.now()),
      activatedAt: new Date(clock.now()),
      retiredAt: null,
    };
    await insertSigningKey(tx, row);
    return row;
  }
}

export interface MaintainDeps {
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly random: Random;
}
