import { limits } from "../limits.ts";
import { type Clock, epochSeconds, type Random } from "../platform.ts";
import type { Db } from "../store/db.ts";
import { listRegistries, type Registry } from "../store/registries.ts";
import {
  deleteSigningKeys,
  insertSigningKey,
  listSigningKeys,
  type SigningKeyChange,
  type SigningKeyRow,
  updateSigningKey,
} from "../store/signing-keys.ts";
import { type Certificate, issueAuthority, issueLeaf, issueSelfSigned } from "../tokens/certificates.ts";
import type { Sealer } from "../tokens/sealing.ts";
import { generateKey, type KeyPurpose, openKey, type SealedKey, sealAnew, sealKey } from "../tokens/signing-key.ts";
import { activeDays, turnsAt } from "./key-schedule.ts";

export interface MaintainDeps {
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly random: Random;
}

/** Keys that follow one another: those of robot tokens, of one registry's tokens, or of its authority. */
type Line =
  | { readonly purpose: "robot_token" }
  | { readonly purpose: "registry_authority" | "registry_token"; readonly registry: Registry };

const ROBOT_TOKENS: Line = { purpose: "robot_token" };

/** The life of keys, next → active → retired, in a transaction that nobody else changes keys in. */
export interface KeyLife {
  /**
   * Makes what is missing, turns what is due and seals with the key that seals now.
   *
   * @throws {SealError} when the sealing keys given do not open what is stored
   */
  maintain(): Promise<void>;
  /** Puts the next key of robot tokens in the active one's place. */
  rotateRobotTokenKey(): Promise<void>;
  /** The same for a registry; its authority goes together with a new leaf. */
  rotateSigningKey(registry: Registry): Promise<void>;
  rotateAuthority(registry: Registry): Promise<void>;
  /** Ends all keys of a registry, or those of robot tokens, with no overlap, and makes new ones. */
  revoke(registry: Registry | undefined): Promise<void>;
  /** Puts an authority of the operator's in the place of the next one. */
  bringAuthority(registry: Registry, pair: CryptoKeyPair, certificate: Certificate): Promise<void>;
  /** Makes what a new registry, or a changed key profile, lacks. */
  complete(registry: Registry): Promise<void>;
  /** When the registry's next key, or next authority, was published; `undefined` once the registry knows it. */
  unknownSince(registry: Registry, purpose: "registry_authority" | "registry_token"): Date | undefined;
  /** Whether the registry's tokens are signed under an authority. */
  hasAuthority(registry: Registry): boolean;
}

export async function openKeyLife(tx: Db, { sealer, clock, random }: MaintainDeps): Promise<KeyLife> {
  const now = new Date(clock.now());
  const seconds = epochSeconds(clock);
  const rows = new Map((await listSigningKeys(tx)).map((row) => [row.id, row]));

  return {
    async maintain() {
      await deleteSigningKeys(tx, new Date(now.getTime() - limits.keys.forgetSeconds * 1000));
      for (const row of rows.values()) if (row.sealedPrivateKey !== null) await keepSealed(row);
      await ensure(ROBOT_TOKENS);
      if (isDue(ROBOT_TOKENS)) await turn(ROBOT_TOKENS);
      for (const registry of await listRegistries(tx)) {
        await complete(registry);
        const [authority, signing] = linesOf(registry);
        if (hasAuthority(registry) && isDue(authority) && isKnown(authority)) await rotateAuthority(registry);
        if (isDue(signing) && isKnown(signing)) await turn(signing);
      }
    },
    rotateRobotTokenKey: () => turn(ROBOT_TOKENS),
    rotateSigningKey: (registry) => turn(linesOf(registry)[1]),
    rotateAuthority,
    async revoke(registry) {
      for (const line of registry ? linesOf(registry) : [ROBOT_TOKENS]) {
        for (const row of [...rows.values()]) {
          if (belongs(row, line) && row.status !== "revoked") await end(row, "revoked");
        }
      }
      await (registry ? complete(registry) : ensure(ROBOT_TOKENS));
    },
    async bringAuthority(registry, pair, certificate) {
      const [authority] = linesOf(registry);
      const next = find(authority, "next");
      if (next) await end(next, "revoked");
      const owner = ownerOf(authority);
      await insert(owner, await sealKey(pair, owner, sealer), certificate);
    },
    complete,
    unknownSince(registry, purpose) {
      const line = { purpose, registry };
      return isKnown(line) ? undefined : find(line, "next")?.createdAt;
    },
    hasAuthority,
  };

  async function keepSealed(row: SigningKeyRow): Promise<void> {
    await openKey(row, sealer);
    if (sealer.isCurrent(row.sealedPrivateKey ?? "")) return;
    await update(row, { sealedPrivateKey: await sealAnew(row, sealer) });
  }

  async function complete(registry: Registry): Promise<void> {
    const [authority, signing] = linesOf(registry);
    const next = find(signing, "next");
    if (next && next.profile !== registry.keyProfile) await end(next, "revoked");
    const isIdle = !hasAuthority(registry);
    if (registry.keyProfile === "x5c" || !isIdle) await ensure(authority);
    // Nobody looked after it while keys were found by name.
    if (registry.keyProfile === "x5c" && isIdle) while (isDue(authority)) await turn(authority);
    await ensure(signing);
  }

  function hasAuthority(registry: Registry): boolean {
    const [, signing] = linesOf(registry);
    return [find(signing, "active"), find(signing, "next")].some((row) => row?.profile === "x5c");
  }

  async function rotateAuthority(registry: Registry): Promise<void> {
    const [authority, signing] = linesOf(registry);
    await turn(authority);
    if (find(signing, "active")?.profile === "x5c") await turn(signing);
  }

  /** There is always an active key, and a next one, published before it is needed. */
  async function ensure(line: Line): Promise<void> {
    if (!find(line, "active")) await activate(line, find(line, "next") ?? (await make(line)));
    if (!find(line, "next")) await make(line);
  }

  async function turn(line: Line): Promise<void> {
    const [active, next] = [find(line, "active"), find(line, "next")];
    if (active) await end(active, "retired");
    await activate(line, next ?? (await make(line)));
    await make(line);
  }

  async function make(line: Line): Promise<SigningKeyRow> {
    const owner = ownerOf(line);
    const sealed = await generateKey(owner, sealer);
    return insert(owner, sealed, await certify(line, owner, sealed));
  }

  /** The certificate that a key is published with. A leaf is made when it begins to sign, for it is short-lived. */
  async function certify(line: Line, owner: ReturnType<typeof ownerOf>, sealed: SealedKey) {
    if (line.purpose === "robot_token" || owner.profile === "x5c") return undefined;
    const issue = line.purpose === "registry_authority" ? issueAuthority : issueSelfSigned;
    return issue(await openKey(sealed, sealer), line.registry.service, seconds);
  }

  async function activate(line: Line, row: SigningKeyRow): Promise<void> {
    const leaf = line.purpose === "registry_token" && row.profile === "x5c" && (await issueLeafOf(line.registry, row));
    await update(row, {
      status: "active",
      activatedAt: now,
      ...(leaf && { certificate: leaf.pem, notAfter: new Date(leaf.notAfter * 1000) }),
    });
  }

  async function issueLeafOf(registry: Registry, row: SigningKeyRow): Promise<Certificate> {
    const [line] = linesOf(registry);
    const authority = find(line, "active");
    if (!authority) throw new Error(`registry ${registry.service} has no authority`);
    const validity = activeDays(registry, row) * 24 * 3600 + limits.certificates.leafMarginSeconds;
    const issuer = { key: await openKey(authority, sealer), pem: authority.certificate ?? "" };
    return issueLeaf(await openKey(row, sealer), registry.service, issuer, seconds, validity);
  }

  /** What will not sign again needs no private half. */
  function end(row: SigningKeyRow, status: "retired" | "revoked"): Promise<void> {
    return update(row, { status, retiredAt: now, sealedPrivateKey: null });
  }

  function isDue(line: Line): boolean {
    const active = find(line, "active");
    if (!active) return false;
    // A clock that was ahead has made a leaf that is not good yet.
    const goodFrom = (active.activatedAt ?? active.createdAt).getTime() / 1000 - limits.certificates.backdateSeconds;
    if (line.purpose === "registry_token" && seconds < goodFrom) return true;
    const at = turnsAt(registryOf(line), active);
    return at !== undefined && now >= at;
  }

  /**
   * Whether who verifies has the next key: a leaf comes with its token, and the rest is read at a restart, which
   * is left time for. The first two of a line were published together.
   */
  function isKnown(line: Line): boolean {
    const [active, next] = [find(line, "active"), find(line, "next")];
    if (!active || !next || line.purpose === "robot_token") return true;
    if (active.profile === "x5c" && next.profile === "x5c") return true;
    const published = next.createdAt.getTime();
    const together = published === active.createdAt.getTime();
    return together || now.getTime() - published >= limits.keys.leadSeconds * 1000;
  }

  function ownerOf(line: Line) {
    return {
      id: random.uuid(),
      purpose: line.purpose,
      registryId: registryOf(line)?.id ?? null,
      profile: line.purpose === "registry_token" ? line.registry.keyProfile : null,
    };
  }

  async function insert(
    { profile }: ReturnType<typeof ownerOf>,
    sealed: SealedKey,
    certificate: Certificate | undefined,
  ): Promise<SigningKeyRow> {
    const row: SigningKeyRow = {
      ...sealed,
      profile,
      status: "next",
      certificate: certificate?.pem ?? null,
      notAfter: certificate ? new Date(certificate.notAfter * 1000) : null,
      createdAt: now,
      activatedAt: null,
      retiredAt: null,
    };
    await insertSigningKey(tx, row);
    rows.set(row.id, row);
    return row;
  }

  async function update(row: SigningKeyRow, change: SigningKeyChange): Promise<void> {
    await updateSigningKey(tx, row.id, change);
    rows.set(row.id, { ...row, ...change });
  }

  function find(line: Line, status: "next" | "active"): SigningKeyRow | undefined {
    return [...rows.values()].find((row) => row.status === status && belongs(row, line));
  }
}

function linesOf(registry: Registry): readonly [authority: Line & { registry: Registry }, signing: Line] {
  return [
    { purpose: "registry_authority", registry },
    { purpose: "registry_token", registry },
  ];
}

function belongs(row: { purpose: KeyPurpose; registryId: string | null }, line: Line): boolean {
  return row.purpose === line.purpose && row.registryId === (line.purpose === "robot_token" ? null : line.registry.id);
}

function registryOf(line: Line): Registry | undefined {
  return line.purpose === "robot_token" ? undefined : line.registry;
}
