import { limits } from "../limits.ts";
import type { Clock } from "../platform.ts";
import type { Changes } from "../store/changes.ts";
import { type Db, GoneError, throwUnreachable, UnpreparedError } from "../store/db.ts";
import { listSigningKeys, type SigningKeyRow } from "../store/signing-keys.ts";
import { certificateBodies, trustAnchor } from "../tokens/certificates.ts";
import type { Verify } from "../tokens/compact.ts";
import type { Keys, PublicKey, RegistryKeys, RobotTokenKeys, VerifyingKey } from "../tokens/key-ring.ts";
import type { Sealer } from "../tokens/sealing.ts";
import {
  importPublicKey,
  openKey,
  type Signatures,
  type SigningKey,
  webCryptoSignatures,
} from "../tokens/signing-key.ts";

export interface KeysDeps {
  readonly db: Db;
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** While they are heard of, the keys are read when they change. */
  readonly changes: Changes;
  /** Where the platform signs and verifies faster than by WebCrypto. */
  readonly signatures?: Signatures;
}

interface KeyRing {
  readonly robotToken: RobotTokenKeys;
  readonly registries: ReadonlyMap<string, RegistryKeys>;
  /** The x coordinates of all, retired ones included. */
  readonly points: ReadonlySet<string | undefined>;
}

/** The key ring as it was last read: nothing but values, so that it may outlive the request that read it. */
export interface KeyMemory {
  last?: { readonly ring: KeyRing; readonly readAt: number };
  /** Moves with every change of them: what was read during one may be of before it. */
  generation: number;
  /** Epoch milliseconds: for a key that was not there. */
  lookedAgainAt?: number;
  /** Those opened, by the id of their rows: a key never changes. */
  readonly opened: Map<string, SigningKey>;
  readonly imported: Map<string, CryptoKey>;
  readonly verifiers: Map<string, Verify>;
}

export function createKeyMemory(): KeyMemory {
  return { generation: 0, opened: new Map(), imported: new Map(), verifiers: new Map() };
}

/** To be called when they were changed, or may have been. */
export function forgetKeys(memory: KeyMemory): void {
  memory.generation += 1;
  delete memory.last;
}

/**
 * The keys in the database, read again by one at a time.
 *
 * @param memory what a platform that lends a database to one request only keeps between requests
 */
export function createKeys(deps: KeysDeps, memory: KeyMemory = createKeyMemory()): Keys {
  let underway: { readonly generation: number; readonly ring: Promise<KeyRing> } | undefined;

  return {
    async robotToken() {
      return (await read()).robotToken;
    },
    async robotTokenKey(kid) {
      const find = ({ robotToken }: KeyRing) => robotToken.verifying.find((key) => key.kid === kid);
      const key = find(await read());
      return key || !mayLookAgain() ? key : find(await readAfresh());
    },
    async registry(registryId) {
      const find = ({ registries }: KeyRing) => registries.get(registryId);
      // Another instance made it, or deleted it, a moment ago.
      const keys = find(await read()) ?? find(await readAfresh());
      if (!keys) throw new GoneError(`registry ${registryId} is not there any more`);
      return keys;
    },
    async isOwn({ x }) {
      return x !== undefined && (await read()).points.has(x);
    },
    async reload() {
      try {
        await readAfresh();
      } catch {
        // The change was made all the same: whoever needs the keys next hears what is wrong.
        delete memory.last;
      }
    },
  };

  async function read(): Promise<KeyRing> {
    const age = deps.clock.now() - (memory.last?.readAt ?? Number.NEGATIVE_INFINITY);
    // A clock that was set back makes it look younger than it is.
    const { freshMilliseconds, heardMilliseconds } = limits.keys;
    const fresh = deps.changes.areHeard() ? heardMilliseconds : freshMilliseconds;
    const { last } = memory;
    if (last && age >= 0 && age < fresh) return last.ring;
    return readAgain().catch((error) => {
      // The database may be away for as long as what is remembered serves.
      if (last && last === memory.last && deps.changes.areHeard()) return last.ring;
      throw error;
    });
  }

  /** A key's name is anybody's to invent. */
  function mayLookAgain(): boolean {
    const since = deps.clock.now() - (memory.lookedAgainAt ?? Number.NEGATIVE_INFINITY);
    if (since >= 0 && since < limits.keys.unknownKeyMilliseconds) return false;
    memory.lookedAgainAt = deps.clock.now();
    return true;
  }

  /** What is under way may have read what was there before. */
  async function readAfresh(): Promise<KeyRing> {
    await underway?.ring.catch(throwUnreachable);
    return readAgain();
  }

  /** One under way may have read what was there before a change. */
  function readAgain(): Promise<KeyRing> {
    if (underway?.generation === memory.generation) return underway.ring;
    const own = { generation: memory.generation, ring: load() };
    underway = own;
    const end = () => {
      if (underway === own) underway = undefined;
    };
    own.ring.then(end, end);
    return own.ring;
  }

  async function load(): Promise<KeyRing> {
    const readAt = deps.clock.now();
    const { generation } = memory;
    const ring = await readKeyRing(deps, memory, readAt);
    if (generation === memory.generation) memory.last = { ring, readAt };
    return ring;
  }
}

async function readKeyRing(
  { db, sealer, signatures = webCryptoSignatures }: KeysDeps,
  memory: KeyMemory,
  now: number,
): Promise<KeyRing> {
  const rows = await listSigningKeys(db);
  const trusted = rows.filter((row) => isTrusted(row, now));
  for (const kept of [memory.opened, memory.imported, memory.verifiers]) {
    for (const id of kept.keys()) if (!trusted.some((row) => row.id === id)) kept.delete(id);
  }
  const registryIds = new Set(trusted.map(({ registryId }) => registryId).filter((id) => id !== null));
  const registries = new Map<string, RegistryKeys>();
  for (const id of registryIds) {
    registries.set(
      id,
      await readRegistryKeys(
        trusted.filter(({ registryId }) => registryId === id),
        open,
        importKey,
      ),
    );
  }
  const robotRows = trusted.filter(({ purpose }) => purpose === "robot_token");
  const active = activeOf(robotRows);
  return {
    registries,
    points: new Set(rows.map(({ publicJwk }) => publicJwk.x)),
    robotToken: {
      signing: () => open(active),
      verifying: await Promise.all(robotRows.map(importVerifier)),
    },
  };

  async function open(row: SigningKeyRow): Promise<SigningKey> {
    const opened = memory.opened.get(row.id) ?? (await openKey(row, sealer, signatures));
    memory.opened.set(row.id, opened);
    return opened;
  }

  async function importKey({ id, kid, publicJwk }: SigningKeyRow): Promise<PublicKey> {
    const publicKey = memory.imported.get(id) ?? (await importPublicKey(publicJwk));
    memory.imported.set(id, publicKey);
    return { kid, publicJwk, publicKey };
  }

  async function importVerifier({ id, kid, publicJwk }: SigningKeyRow): Promise<VerifyingKey> {
    const verify = memory.verifiers.get(id) ?? (await signatures.importVerifier(publicJwk));
    memory.verifiers.set(id, verify);
    return { kid, publicJwk, verify };
  }
}

async function readRegistryKeys(
  rows: readonly SigningKeyRow[],
  open: (row: SigningKeyRow) => Promise<SigningKey>,
  importKey: (row: SigningKeyRow) => Promise<PublicKey>,
): Promise<RegistryKeys> {
  const ordered = rows.toSorted((one, other) => ORDER.indexOf(one.status) - ORDER.indexOf(other.status));
  const signing = ordered.filter(({ purpose }) => purpose === "registry_token");
  const named = signing.filter(({ profile }) => profile === "kid");
  const authorities =
    signing.length > named.length ? ordered.filter(({ purpose }) => purpose === "registry_authority") : [];
  const active = activeOf(signing);
  const hint = active.profile === "kid" ? { kid: active.kid } : { x5c: certificateBodies(active.certificate ?? "") };
  const trusted = active.profile === "kid" ? [...named, ...authorities] : [...authorities, ...named];
  return {
    hint,
    signing: async () => ({ sign: (await open(active)).sign, hint }),
    verifying: (await Promise.all(signing.map(importKey))).map(({ publicKey }) => publicKey),
    certificates: trusted.map((row) => trustAnchor(row.certificate ?? "")),
    named: await Promise.all(named.map(importKey)),
  };
}

const ORDER = ["active", "next", "retired", "revoked"];

/**
 * Whether tokens that it signed are to be believed at `now` (epoch milliseconds): of the next one too, which
 * another instance may have begun to sign with.
 */
function isTrusted({ status, retiredAt }: SigningKeyRow, now: number): boolean {
  if (status === "retired") return retiredAt !== null && now < retiredAt.getTime() + limits.keys.overlapSeconds * 1000;
  return status !== "revoked";
}

function activeOf(rows: readonly SigningKeyRow[]): SigningKeyRow {
  const active = rows.find(({ status }) => status === "active");
  if (!active) throw new UnpreparedError("there is no active signing key");
  return active;
}
