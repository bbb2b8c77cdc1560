import cluster from "node:cluster";
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { getConnInfo } from "@hono/node-server/conninfo";
import { uuidv7 } from "uuidv7";
import { type Config, ConfigError, readConfig, readSecretKeys } from "../../config.ts";
import type { Deps } from "../../deps.ts";
import { createBindingCompiler } from "../../domain/compiled-binding.ts";
import { createRefusalTally } from "../../domain/refusal-tally.ts";
import { createUses } from "../../domain/uses.ts";
import type { Environment } from "../../environment.ts";
import { limits } from "../../limits.ts";
import { createIssuerKeys } from "../../oidc/issuers.ts";
import type { Clock, Log } from "../../platform.ts";
import { askTogether } from "../../services/ask-together.ts";
import { summarizeRefusals, writeSummary } from "../../services/audit-refusals.ts";
import { AdminTokenError, bootstrap, maintain } from "../../services/bootstrap.ts";
import { createKeyMemory, createKeys, forgetKeys, type KeyMemory } from "../../services/key-ring.ts";
import { createLimiter } from "../../services/limiter.ts";
import { createRecall } from "../../services/recall.ts";
import { createRecallMemory, createVerdicts, type RecallMemory } from "../../services/recall-memory.ts";
import { writeUses } from "../../services/write-uses.ts";
import type { ChangeListener } from "../../store/changes.ts";
import { insertGrantedExchanges } from "../../store/granted-exchanges.ts";
import { createSealer } from "../../tokens/sealing.ts";
import { createLog, warnOfRisks } from "../log.ts";
import { adminTokenFile, DataDirError, type KeptSecret, keepSecret, lockDataDir, secretKeyFile } from "./data-dir.ts";
import { type Database, openEmbedded, openPostgres } from "./database.ts";
import { createIssuerFetch } from "./issuer-fetch.ts";
import { listen } from "./listen.ts";
import { createNodeMetrics, type NodeMetrics } from "./metrics.ts";
import { gatherFromPrimary } from "./metrics-cluster.ts";
import { observeCaches } from "./observed-caches.ts";
import { observeDatabase } from "./observed-database.ts";
import { mayMend } from "./postgres-driver.ts";
import { createReplaceableSealer, reloadSecretKeys } from "./secret-key.ts";
import { nodeSignatures } from "./signatures.ts";
import { applyState } from "./state-file.ts";
import { createLogTracing, traceFetch } from "./tracing.ts";
import { beginAtEndOfTurn } from "./turns.ts";

export interface ServerOptions {
  readonly environment: Environment;
  /** Takes the log, a line at a time, without the line's end. */
  readonly write: (line: string) => void;
  readonly clock?: Clock;
}

export interface RunningServer {
  readonly url: string;
  /** Where the admin token is kept, if this start made it. */
  readonly newAdminTokenPath?: string;
  /** Lets the requests under way end, then lets go of everything. */
  close(): Promise<void>;
}

const systemClock: Clock = { now: () => Date.now() };

/**
 * Brings the service up: configuration, database, keys, then the port.
 *
 * @throws {ConfigError} {DataDirError} {SealError}
 */
export async function startServer({ environment, write, clock = systemClock }: ServerOptions): Promise<RunningServer> {
  const config = readConfig(environment, (path) => readFileSync(path, "utf8"));
  let tracing = createLogTracing();
  const log = createLog(config.logLevel, write, () => tracing.fields());
  warnOfRisks(config, log);
  if (config.databaseUrl && !mayMend) {
    log.warn(
      `With PostgreSQL, use Node.js 22.15 or newer: on this one, ${process.version}, a lost connection may end the process.`,
    );
  }

  const closers: (() => unknown)[] = [];
  let isStopping = false;
  const close = async () => {
    isStopping = true;
    const failures: unknown[] = [];
    for (const closer of closers.splice(0).reverse()) {
      await (async () => closer())().catch((error) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    if (config.tracing) tracing = (await import("./telemetry.ts")).createTelemetry(config.tracing, log);
    closers.push(tracing.close);
    const metrics = createNodeMetrics(cluster.isWorker ? { share: gatherFromPrimary } : {});
    const storage = await openStorage(config, environment, closers);
    const sealer = createReplaceableSealer(await createSealer(storage.config.secretKeys ?? []));
    const random = { uuid: uuidv7 };
    const { db, connections } = storage.database;
    await bootstrap(db, storage.config, { sealer, clock, random }).catch((error) => {
      throw error instanceof AdminTokenError ? new ConfigError([error.message]) : error;
    });
    observeDatabase(db, metrics, tracing);
    const memory = createRecallMemory();
    const keyMemory = createKeyMemory();
    const changes = await storage.database.listen(listenFor(memory, keyMemory), config.maxStaleness, log);
    closers.push(changes.close);
    const verdicts = createVerdicts();
    const { logins, federations, unrevoked, staticTokens: static_tokens, issuers, open, registries } = memory;
    observeCaches({ logins, federations, unrevoked, static_tokens, issuers, open, registries, verdicts }, metrics);
    const fetch = traceFetch(tracing, createIssuerFetch({ proxy: config.proxy }));
    const deps: Deps = {
      config,
      db,
      clock,
      random,
      log,
      metrics,
      tracing,
      fetch,
      changes,
      recall: createRecall({ db, clock, changes, gather: beginAtEndOfTurn }, memory),
      grantExchange: askTogether((exchanges) => insertGrantedExchanges(db, exchanges), beginAtEndOfTurn),
      verdicts,
      sha256: (text) => hash("sha256", text, "base64url"),
      keys: createKeys({ db, sealer, clock, changes, signatures: nodeSignatures }, keyMemory),
      sealer,
      issuerKeys: createIssuerKeys({
        fetch,
        publicUrl: config.publicUrl,
        allowInsecure: config.allowInsecureIssuers,
        now: clock.now,
        metrics,
      }),
      compile: createBindingCompiler(),
      limiter: createLimiter(clock),
      refusalTally: createRefusalTally(),
      failedKnocks: new Map(),
      uses: createUses(),
      fallbacks: new Map(),
      isStopping: () => isStopping,
      peerAddress: (c) => getConnInfo(c).remote.address,
    };
    metrics.watch("poolSize", () => connections);
    if (config.databaseUrl && config.maxStaleness > 0) {
      metrics.watch("heartbeatAge", () => Math.min(changes.age() / 1000, NEVER_SECONDS));
    }
    metrics.watch("auditLeftOut", () => deps.refusalTally.leftOut);
    closers.push(() => writeSummary(deps).catch((error) => log.error("a summary was lost", { error })));
    const maintainNow = () => maintain(db, { config, sealer, clock, random });
    const { secretKeyPath } = storage;
    if (secretKeyPath) closers.push(reloadSecretKeys(secretKeyPath, sealer, maintainNow, log));
    closers.push(() => writeUses(deps).catch((error) => log.error("counts of uses were lost", { error })));
    closers.push(
      every(limits.keys.maintenanceSeconds * 1000, "upkeep", { log, metrics }, maintainNow),
      every(limits.audit.summarySeconds * 1000, "audit_summary", { log, metrics }, () => summarizeRefusals(deps)),
      every(limits.uses.writeMilliseconds, "uses", { log, metrics }, () => writeUses(deps)),
    );

    if (config.stateFile !== undefined) await applyState(readFileSync(config.stateFile), deps);
    closers.push(await listen(deps));
    const database = config.databaseUrl ? "postgresql" : "embedded";
    log.info("listening", { host: config.host, port: config.port, public_url: config.publicUrl, database });
    const { newAdminTokenPath } = storage;
    return { url: config.publicUrl, close, ...(newAdminTokenPath && { newAdminTokenPath }) };
  } catch (error) {
    await close().catch((closing) => log.error("something could not be closed", { error: closing }));
    throw error;
  }
}

/** What is remembered is forgotten as it changes. */
function listenFor(memory: RecallMemory, keyMemory: KeyMemory): ChangeListener {
  return {
    heard(change) {
      if (change.of === "keys" || change.of === "everything") forgetKeys(keyMemory);
      if (change.of !== "keys") memory.heard(change);
    },
    missed() {
      forgetKeys(keyMemory);
      memory.missed();
    },
  };
}

/** A channel that was never heard, as a number that JSON has. */
const NEVER_SECONDS = 24 * 3600;

/** @returns a function that ends it */
function every(
  milliseconds: number,
  task: string,
  { log, metrics }: { readonly log: Log; readonly metrics: NodeMetrics },
  work: () => Promise<void>,
): () => void {
  let underway = false;
  const timer = setInterval(async () => {
    if (underway) return;
    underway = true;
    try {
      await work();
      metrics.maintenance(task, "success");
    } catch (error) {
      metrics.maintenance(task, "failed");
      log.error("maintenance failed", { task, error });
    }
    underway = false;
  }, milliseconds).unref();
  return () => clearInterval(timer);
}

const secretKeyProblem =
  "BERTH_SECRET_KEY is required with DATABASE_URL: 32 bytes in base64 that seal the signing keys, the same on every instance (try: openssl rand -base64 32)";

interface Storage {
  /** With the secrets that are kept beside the database. */
  readonly config: Config;
  readonly database: Database;
  readonly newAdminTokenPath?: string;
  /** Where the sealing keys were read from, if from a file. */
  readonly secretKeyPath: string | undefined;
}

/** Opens the database; the embedded one comes with the secrets that the first start made. */
async function openStorage(config: Config, environment: Environment, closers: (() => unknown)[]): Promise<Storage> {
  const secretKeyPath = environment.BERTH_SECRET_KEY_FILE?.trim() || undefined;
  if (config.databaseUrl) {
    if (!config.secretKeys) throw new ConfigError([secretKeyProblem]);
    const database = await openPostgres(config.databaseUrl);
    closers.push(database.close);
    return { config, database, secretKeyPath };
  }
  const lock = await lockDataDir(config.dataDir);
  closers.push(lock.release);
  const secretKey = config.secretKeys ? undefined : await keepSecret(config.dataDir, secretKeyFile, "base64");
  const adminToken = config.adminToken ? undefined : await keepSecret(config.dataDir, adminTokenFile, "base64url");
  const kept = {
    ...config,
    ...(secretKey && { secretKeys: readKeptKeys(secretKey) }),
    ...(adminToken && { adminToken: adminToken.value }),
  };
  const database = await openEmbedded(config.dataDir);
  closers.push(database.close);
  return {
    config: kept,
    database,
    secretKeyPath: secretKey?.path ?? secretKeyPath,
    ...(adminToken?.isNew && { newAdminTokenPath: adminToken.path }),
  };
}

function readKeptKeys({ value, path }: KeptSecret) {
  const keys = readSecretKeys(value.reveal());
  if (!keys)
    throw new DataDirError(`${path} does not hold 32 bytes in base64. Put back the file that the first start made.`);
  return keys;
}
