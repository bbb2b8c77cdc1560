import { randomBytes } from "node:crypto";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { uuidv7 } from "uuidv7";
import { createApp } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import type { Deps } from "../../src/deps.ts";
import { createBindingCompiler } from "../../src/domain/compiled-binding.ts";
import { createRefusalTally } from "../../src/domain/refusal-tally.ts";
import { Secret } from "../../src/domain/secret.ts";
import { createUses } from "../../src/domain/uses.ts";
import { createIssuerKeys } from "../../src/oidc/issuers.ts";
import { noMetrics, noTracing } from "../../src/platform.ts";
import { openPostgres } from "../../src/ports/node/database.ts";
import { createIssuerFetch } from "../../src/ports/node/issuer-fetch.ts";
import { askTogether } from "../../src/services/ask-together.ts";
import { bootstrap } from "../../src/services/bootstrap.ts";
import { createKeys } from "../../src/services/key-ring.ts";
import { createLimiter } from "../../src/services/limiter.ts";
import { createRecall } from "../../src/services/recall.ts";
import { createVerdicts } from "../../src/services/recall-memory.ts";
import { unheard } from "../../src/store/changes.ts";
import { type Db, drizzleOptions } from "../../src/store/db.ts";
import { insertGrantedExchanges } from "../../src/store/granted-exchanges.ts";
import { createSealer } from "../../src/tokens/sealing.ts";
import { sha256 } from "../../src/tokens/signing-key.ts";

/** What the service sent to the database. */
export interface Statement {
  readonly query: string;
  readonly params: readonly unknown[];
}

/** The service without a port, on PostgreSQL, with every statement that it sends. */
export interface WatchedService {
  readonly statements: Statement[];
  /** The same database, past the service. */
  readonly sql: postgres.Sql;
  /** What describes the API. */
  document(): Promise<Response>;
  /** A management call, by the bootstrap superuser if no other token is given. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  close(): Promise<void>;
}

export async function watchService(databaseUrl: string): Promise<WatchedService> {
  await (await openPostgres(new Secret(databaseUrl))).close();
  const adminToken = randomBytes(24).toString("base64url");
  const config = readConfig(
    {
      DATABASE_URL: databaseUrl,
      BERTH_ADMIN_TOKEN: adminToken,
      LOG_LEVEL: "error",
      BERTH_ALLOW_INSECURE_ISSUERS: "true",
    },
    () => "",
  );
  const statements: Statement[] = [];
  const sql = postgres(databaseUrl, { max: 4, onnotice: () => {} });
  const logger = { logQuery: (query: string, params: unknown[]) => statements.push({ query, params }) };
  const db = drizzle(sql, { ...drizzleOptions, logger }) as unknown as Db;
  const clock = { now: () => Date.now() };
  const random = { uuid: uuidv7 };
  const sealer = await createSealer([new Secret(new Uint8Array(randomBytes(32)))]);
  await bootstrap(db, config, { sealer, clock, random });
  const fetch = createIssuerFetch({ proxy: undefined });
  const quiet = () => {};
  const deps: Deps = {
    config,
    db,
    clock,
    random,
    metrics: noMetrics,
    tracing: noTracing,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    fetch,
    changes: unheard,
    recall: createRecall({ db, clock, changes: unheard }),
    grantExchange: askTogether((exchanges) => insertGrantedExchanges(db, exchanges)),
    verdicts: createVerdicts(),
    sha256,
    keys: createKeys({ db, sealer, clock, changes: unheard }),
    sealer,
    issuerKeys: createIssuerKeys({ fetch, publicUrl: config.publicUrl, allowInsecure: true, now: clock.now }),
    compile: createBindingCompiler(),
    limiter: createLimiter(clock),
    refusalTally: createRefusalTally(),
    failedKnocks: new Map(),
    uses: createUses(),
    fallbacks: new Map(),
    isStopping: () => false,
    peerAddress: () => "127.0.0.1",
  };
  const app = createApp(deps);
  return {
    statements,
    sql,
    document: async () => app.request("/openapi.json"),
    get: async (path, headers = {}) =>
      app.request(`/api/v1${path}`, { headers: { authorization: `Bearer ${adminToken}`, ...headers } }),
    close: () => sql.end({ timeout: 5 }),
  };
}
