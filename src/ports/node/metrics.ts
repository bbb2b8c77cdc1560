import { collectDefaultMetrics, Registry } from "prom-client";
import type { Metrics, MetricsFormat, MetricsPage } from "../../platform.ts";
import { present, unite } from "./exposition.ts";
import {
  BUILD,
  CACHE_LOOKUPS,
  EXCHANGES,
  KEY_FETCHES,
  MAINTENANCE,
  OPERATIONS,
  POOL_USED,
  POOL_WAITING,
  RATE_LIMITED,
  REGISTRY_TOKENS,
  REQUESTS,
  REQUESTS_UNDER_WAY,
  WATCHED,
  type WatchedFigure,
} from "./metric-names.ts";
import { version } from "./package-files.ts";
import { createCounter, createHistogram, type Described, type Figures, type Sample, type Snapshot } from "./tally.ts";

/** The figures of this process, and how the rest of `ports` adds to them. */
export interface NodeMetrics extends Metrics {
  readonly page: (format: MetricsFormat) => Promise<MetricsPage>;
  /** Begins to time a statement, or a whole transaction; what it returns ends that. */
  startOperation(operation: "statement" | "transaction"): () => void;
  /** One run of what is done in the background. */
  maintenance(task: string, outcome: "success" | "failed"): void;
  /** Has a figure read whenever somebody asks; `undefined`: there is none now. */
  watch(figure: WatchedFigure, read: () => number | undefined): void;
  /** The figures of this process alone. */
  snapshot(): Promise<Figures>;
}

export interface NodeMetricsOptions {
  /**
   * Shares the figures of this process with those that serve beside it.
   *
   * @returns how to come by the figures of all; without it those of this process are all
   */
  readonly share?: ((figures: () => Promise<Figures>) => () => Promise<readonly Figures[]>) | undefined;
}

/** A request takes a tenth of a millisecond or more, and the longest wait there is for an issuer is five seconds. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Superusers make registries: more than anybody has, and still few for a label. */
const SERVICES = 200;
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

export function createNodeMetrics({ share }: NodeMetricsOptions = {}): NodeMetrics {
  const exchanges = createCounter(EXCHANGES);
  const registryTokens = createCounter(REGISTRY_TOKENS);
  const rateLimited = createCounter(RATE_LIMITED);
  const keyFetches = createHistogram(KEY_FETCHES, SECONDS);
  const lookups = createCounter(CACHE_LOOKUPS);
  const requests = createHistogram(REQUESTS, SECONDS);
  const operations = createHistogram(OPERATIONS, SECONDS);
  const maintenance = createCounter(MAINTENANCE);
  const tallies = [exchanges, registryTokens, rateLimited, keyFetches, lookups, requests, operations, maintenance];
  const watched = new Map<WatchedFigure, () => number | undefined>();
  const services = new Set<string>();
  let requestsUnderWay = 0;
  let operationsUnderWay = 0;

  const metrics: NodeMetrics = {
    exchange(outcome, reason) {
      exchanges.of(outcome, reason).value += 1;
    },
    registryToken(outcome, reason, service) {
      if (services.size < SERVICES) services.add(service);
      registryTokens.of(outcome, reason, services.has(service) ? service : "other").value += 1;
    },
    rateLimited(by) {
      rateLimited.of(by).value += 1;
    },
    keyFetch(outcome, seconds) {
      keyFetches.of(outcome).observe(seconds);
    },
    cacheLookup(cache, hit) {
      lookups.of(cache, hit ? "hit" : "miss").value += 1;
    },
    startRequest() {
      const startedAt = performance.now();
      requestsUnderWay += 1;
      return (method, route, status) => {
        requestsUnderWay -= 1;
        const known = METHODS.has(method) ? method : "other";
        requests.of(known, route, classOf(status)).observe((performance.now() - startedAt) / 1000);
      };
    },
    startOperation(operation) {
      const startedAt = performance.now();
      operationsUnderWay += 1;
      return () => {
        operationsUnderWay -= 1;
        operations.of(operation).observe((performance.now() - startedAt) / 1000);
      };
    },
    maintenance(task, outcome) {
      maintenance.of(task, outcome).value += 1;
    },
    watch(figure, read) {
      watched.set(figure, read);
    },
    async snapshot() {
      const poolSize = watched.get("poolSize")?.() ?? 0;
      const figures = Object.entries(WATCHED) as [WatchedFigure, (typeof WATCHED)[WatchedFigure]][];
      return [
        ...tallies.map((tally) => tally.snapshot()),
        gauge(BUILD, 1, { version }, "first"),
        gauge(REQUESTS_UNDER_WAY, requestsUnderWay),
        gauge(POOL_USED, Math.min(operationsUnderWay, poolSize)),
        gauge(POOL_WAITING, Math.max(0, operationsUnderWay - poolSize)),
        ...figures.map(([figure, described]) => ({ ...described, values: sampleOf(watched.get(figure)?.()) })),
        ...((await figuresOfProcess().getMetricsAsJSON()) as unknown as Snapshot[]),
      ];
    },
    async page(format) {
      return present(gather ? await unite(await gather()) : await metrics.snapshot(), format);
    },
  };
  const gather = share?.(metrics.snapshot);
  return metrics;
}

let ofProcess: Registry | undefined;

/** Gauges with a name of counters, each the sum of another metric's. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** CPU, memory, event loop and garbage collection: observed once, however many services there are in the process. */
function figuresOfProcess(): Registry {
  if (!ofProcess) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess });
    for (const name of MISNAMED) ofProcess.removeSingleMetric(name);
  }
  return ofProcess;
}

function classOf(status: number): string {
  return `${Math.floor(status / 100)}xx`;
}

function gauge(
  { name, help }: Described,
  value: number,
  labels: Sample["labels"] = {},
  aggregator: Snapshot["aggregator"] = "sum",
): Snapshot {
  return { name, help, type: "gauge", aggregator, values: [{ value, labels }] };
}

function sampleOf(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ value, labels: {} }];
}
