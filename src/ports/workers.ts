import { drizzle } from "drizzle-orm/postgres-js";
import { LinearRouter } from "hono/router/linear-router";
import postgres from "postgres";
import { uuidv7 } from "uuidv7";
import { createApp } from "../app.ts";
import { ConfigError } from "../config.ts";
import type { Deps } from "../deps.ts";
import { createUses } from "../domain/uses.ts";
import { ndjson } from "../http/lines.ts";
import { secureHeaders } from "../http/secure-headers.ts";
import { createIssuerKeys } from "../oidc/issuers.ts";
import { type FetchPolicy, IssuerFetchError } from "../oidc/safe-fetch.ts";
import { noMetrics, noTracing, type Random } from "../platform.ts";
import { askTogether } from "../services/ask-together.ts";
import { summarizeRefusals } from "../services/audit-refusals.ts";
import { maintain } from "../services/bootstrap.ts";
import { createKeys } from "../services/key-ring.ts";
import { createRecall } from "../services/recall.ts";
import { writeUses } from "../services/write-uses.ts";
import { unheard } from "../store/changes.ts";
import { type Db, drizzleOptions } from "../store/db.ts";
import { insertGrantedExchanges } from "../store/granted-exchanges.ts";
import { sha256 } from "../tokens/signing-key.ts";
import { createLog, describeTrace } from "./log.ts";
import type { Bindings } from "./workers/bindings.ts";
import { clock, type Isolate, openIsolate, writeLine } from "./workers/isolate.ts";
import { shareLimits } from "./workers/shared-limiter.ts";
import { followBody } from "./workers/whole-body.ts";

/** The part of the platform's `ExecutionContext` that is used. */
interface Execution {
  waitUntil(work: Promise<unknown>): void;
}

let isolate: Isolate | undefined;

const random: Random = { uuid: uuidv7 };
const CONNECT_SECONDS = 10;

/**
 * Berth on Cloudflare Workers. The database is prepared from Node, by `berth migrate`, at first and
 * ahead of each update.
 */
export default {
  async fetch(request: Request, bindings: Bindings, execution: Execution): Promise<Response> {
    try {
      isolate ??= await openIsolate(bindings);
    } catch (error) {
      return answerMisconfigured(error, bindings);
    }
    const { db, close } = openDatabase(bindings);
    const deps = depsOf(isolate, bindings, db, request);
    const { followed, readOn } = followBody(request);
    let streamed: Promise<void> | undefined;
    try {
      const { answer, taken } = followStream(await createApp(deps, { router: new LinearRouter() }).fetch(followed));
      streamed = taken;
      await readOn();
      return answer;
    } finally {
      execution.waitUntil(Promise.all([writeWhatIsLeft(deps), streamed]).then(close));
    }
  },

  async scheduled(_event: unknown, bindings: Bindings, execution: Execution): Promise<void> {
    isolate ??= await openIsolate(bindings);
    const { db, close } = openDatabase(bindings);
    try {
      await maintain(db, { config: isolate.config, sealer: isolate.sealer, clock, random });
    } catch (error) {
      isolate.log.error("maintenance failed", { error });
      throw error;
    } finally {
      execution.waitUntil(close());
    }
  },
};

/** The service for one request. */
function depsOf(kept: Isolate, bindings: Bindings, db: Db, request: Request): Deps {
  const { config, sealer, compile, refusalTally, failedKnocks, named } = kept;
  const trace = describeTrace(request.headers.get("traceparent") ?? undefined);
  const { publicUrl, allowInsecureIssuers: allowInsecure } = config;
  return {
    config,
    db,
    clock,
    random,
    log: createLog(config.logLevel, writeLine, () => trace),
    // The platform has figures and traces of its own.
    metrics: noMetrics,
    tracing: noTracing,
    changes: unheard,
    recall: createRecall({ db, clock, changes: unheard }, kept.recall),
    grantExchange: askTogether((exchanges) => insertGrantedExchanges(db, exchanges)),
    verdicts: kept.verdicts,
    sha256,
    keys: createKeys({ db, sealer, clock, changes: unheard }, kept.keys),
    issuerKeys: createIssuerKeys({ fetch: fetchFromIssuer, publicUrl, allowInsecure, now: clock.now }, kept.issuers),
    compile,
    limiter: shareLimits(kept.limiter, bindings, { clock, pauses: kept.pauses }),
    refusalTally,
    failedKnocks,
    uses: { ...createUses(), named },
    fetch: fetchFromIssuer,
    // The platform bounds what one request may do.
    fallbacks: new Map(),
    isStopping: () => false,
    sealer,
    peerAddress: (c) => c.req.header("cf-connecting-ip"),
  };
}

/** What was only counted: the isolate may be gone before it is asked again. */
async function writeWhatIsLeft(deps: Deps): Promise<void> {
  const { log } = deps;
  await writeUses(deps).catch((error) => log.error("counts of uses were lost", { error }));
  await summarizeRefusals(deps).catch((error) => log.error("a summary was lost", { error }));
}

/** A stream reads from the database for as long as the client takes it; `taken` tells when that is over. */
function followStream(answer: Response): { answer: Response; taken?: Promise<void> } {
  if (answer.headers.get("content-type") !== ndjson || !answer.body) return { answer };
  const { readable, writable } = new TransformStream();
  // Its end, good or bad, is the client's to see.
  const taken = answer.body.pipeTo(writable).catch(() => {});
  return { answer: new Response(readable, answer), taken };
}

function answerMisconfigured(error: unknown, { PUBLIC_URL }: Bindings): Response {
  const problems = error instanceof ConfigError ? error.problems : undefined;
  createLog("error", writeLine).error("Berth cannot start", problems ? { problems } : { error });
  const body = { error: "temporarily_unavailable", message: "The service is not set up yet. Its log says why." };
  return Response.json(body, {
    status: 503,
    headers: Object.fromEntries([...secureHeaders(String(PUBLIC_URL)), ["Retry-After", "60"]]),
  });
}

/**
 * A client for one request, which connects at its first query. One connection will do, as it does with the
 * embedded database; the pool is Hyperdrive's.
 */
function openDatabase({ HYPERDRIVE }: Bindings): { db: Db; close(): Promise<void> } {
  const sql = postgres(HYPERDRIVE.connectionString, {
    max: 1,
    connect_timeout: CONNECT_SECONDS,
    // It would be one more query on every connection; drizzle reads and writes arrays by itself.
    fetch_types: false,
    onnotice: () => {},
  });
  return { db: drizzle(sql, drizzleOptions) as unknown as Db, close: () => sql.end({ timeout: 5 }) };
}

/**
 * The platform resolves names by itself and lets nobody pin the address. What is vetted here is the URL, a
 * literal address included; that a name leads to nothing private is left to the platform's network.
 */
async function fetchFromIssuer(url: string, init: RequestInit, { ca }: FetchPolicy): Promise<Response> {
  if (ca !== undefined) throw new IssuerFetchError("its ca_pem cannot be used on Cloudflare Workers: upload its jwks");
  return fetch(url, init);
}
