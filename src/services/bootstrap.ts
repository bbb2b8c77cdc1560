import type { Secret } from "../domain/secret.ts";
import { limits } from "../limits.ts";
import { alone, unlessAnother } from "../store/alone.ts";
import type { Db } from "../store/db.ts";
import { deleteIdempotencyKeys } from "../store/idempotency-keys.ts";
import { deleteUnboundIssuers } from "../store/issuers.ts";
import {
  deleteExpiredApiTokens,
  findApiToken,
  findPrincipal,
  hasApiToken,
  insertPrincipal,
  putApiToken,
  updatePrincipal,
} from "../store/principals.ts";
import { findDefaultRegistry, insertRegistry } from "../store/registries.ts";
import { deleteRepositoryUses } from "../store/repository-uses.ts";
import { deleteRevokedTokens } from "../store/revoked-tokens.ts";
import { deleteExpiredStaticTokens } from "../store/static-tokens.ts";
import { deleteUsedTokens } from "../store/used-tokens.ts";
import { sha256 } from "../tokens/signing-key.ts";
import { deleteOldRecords, type RetentionDeps } from "./audit-retention.ts";
import { type MaintainDeps, openKeyLife } from "./key-life.ts";

export const bootstrapPrincipal = "admin";
const BOOTSTRAP_TOKEN = "bootstrap";
const MISSING =
  "BERTH_ADMIN_TOKEN is required at the first start with DATABASE_URL: the API token of the first superuser (try: openssl rand -base64 32)";

export interface BootstrapSettings {
  readonly registryService: string;
  readonly adminToken?: Secret;
}

/** The admin token of this start makes no superuser; the message says what would. */
export class AdminTokenError extends Error {
  override readonly name = "AdminTokenError";
}

/**
 * Brings the database to where the service can run: the bootstrap superuser with the token given (which
 * ends the one before), the default registry, the keys. Safe to run at every start, on several instances
 * at once.
 *
 * @throws {AdminTokenError} {SealError}
 */
export async function bootstrap(db: Db, settings: BootstrapSettings, deps: MaintainDeps): Promise<void> {
  await alone(db, async (tx) => {
    await ensureSuperuser(tx, settings.adminToken, deps);
    await ensureDefaultRegistry(tx, settings.registryService, deps);
    await (await openKeyLife(tx, deps)).maintain();
  });
}

/**
 * The work of every hour: keys are turned when they are due, and what has ended or is trusted
 * by nobody any more is forgotten. By one instance at a time: what another one is at is left to it.
 */
export async function maintain(db: Db, deps: MaintainDeps & RetentionDeps): Promise<void> {
  const now = deps.clock.now();
  await alone(db, async (tx) => (await openKeyLife(tx, deps)).maintain());
  // For a day, whoever still uses one is told that it expired, not that nobody knows it.
  const aDayAgo = new Date(now - 24 * 3600 * 1000);
  const firstDayOfUses = new Date(now - limits.uses.keepDays * 24 * 3600 * 1000).toISOString().slice(0, 10);
  const few: ((tx: Db) => Promise<void>)[] = [
    (tx) => deleteExpiredStaticTokens(tx, aDayAgo),
    (tx) => deleteExpiredApiTokens(tx, aDayAgo),
    (tx) => deleteUnboundIssuers(tx, new Date(now - limits.keys.maintenanceSeconds * 1000)),
  ];
  for (const cleaning of few) await unlessAnother(db, cleaning);
  const many: ((tx: Db, limit: number) => Promise<number>)[] = [
    (tx, limit) => deleteUsedTokens(tx, new Date(now), limit),
    // Other instances may be behind, and take them for good still.
    (tx, limit) => deleteRevokedTokens(tx, new Date(now - limits.token.usedMarginSeconds * 1000), limit),
    (tx, limit) => deleteIdempotencyKeys(tx, new Date(now - limits.idempotency.seconds * 1000), limit),
    (tx, limit) => deleteRepositoryUses(tx, firstDayOfUses, limit),
  ];
  for (const cleaning of many) await cleanBitByBit(db, cleaning);
  await deleteOldRecords(db, deps);
}

/** What a busy day left is more than one statement may take. */
async function cleanBitByBit(db: Db, cleaning: (tx: Db, limit: number) => Promise<number>): Promise<void> {
  const { rows, statements } = limits.cleaning;
  for (let statement = 0; statement < statements; statement += 1) {
    const deleted = (await unlessAnother(db, (tx) => cleaning(tx, rows))) ?? 0;
    if (deleted < rows) return;
  }
}

async function ensureSuperuser(tx: Db, adminToken: Secret | undefined, { clock, random }: MaintainDeps): Promise<void> {
  const createdAt = new Date(clock.now());
  if (!adminToken) {
    if (!(await hasApiToken(tx))) throw new AdminTokenError(MISSING);
    return;
  }
  const existing = await findPrincipal(tx, bootstrapPrincipal);
  const principal = existing ?? { id: random.uuid(), name: bootstrapPrincipal, superUser: true, createdAt };
  if (!existing) await insertPrincipal(tx, principal);
  else await updatePrincipal(tx, existing.id, { superUser: true });
  const tokenHash = await sha256(adminToken.reveal());
  await refuseOther(tx, tokenHash);
  await putApiToken(tx, {
    id: random.uuid(),
    principalId: principal.id,
    name: BOOTSTRAP_TOKEN,
    tokenHash,
    createdAt,
    createdBy: bootstrapPrincipal,
  });
}

/** A token that was made by the API has a name, and maybe an end, of its own. */
async function refuseOther(tx: Db, tokenHash: string): Promise<void> {
  const found = await findApiToken(tx, tokenHash);
  if (!found || (found.principal.name === bootstrapPrincipal && found.token.name === BOOTSTRAP_TOKEN)) return;
  throw new AdminTokenError(
    `BERTH_ADMIN_TOKEN is the API token ${found.token.name} of ${found.principal.name}: give it one that is nobody's yet (try: openssl rand -base64 32)`,
  );
}

/** What the default registry is called is settled at the first start: renaming it would orphan its grants. */
async function ensureDefaultRegistry(tx: Db, service: string, { clock, random }: MaintainDeps): Promise<void> {
  if (await findDefaultRegistry(tx)) return;
  await insertRegistry(tx, { id: random.uuid(), service, isDefault: true, createdAt: new Date(clock.now()) });
}
