import type { Described, Snapshot } from "./tally.ts";

export const EXCHANGES: Described = {
  name: "berth_exchanges_total",
  help: "Exchanges of external tokens, by outcome and reason (docs/errors).",
  labels: ["outcome", "reason"],
};
export const REGISTRY_TOKENS: Described = {
  name: "berth_registry_tokens_total",
  help: "Requests for registry tokens, by outcome, reason (docs/errors) and the registry's service.",
  labels: ["outcome", "reason", "service"],
};
export const RATE_LIMITED: Described = {
  name: "berth_rate_limited_total",
  help: "Requests that had to wait, by whose limit it was.",
  labels: ["by"],
};
export const KEY_FETCHES: Described = {
  name: "berth_issuer_key_fetch_duration_seconds",
  help: "Fetches of issuers' keys, discovery included, by outcome.",
  labels: ["outcome"],
};
export const CACHE_LOOKUPS: Described = {
  name: "berth_cache_lookups_total",
  help: "Look-ups in the caches of this process, by cache and result.",
  labels: ["cache", "result"],
};
export const REQUESTS: Described = {
  name: "berth_http_request_duration_seconds",
  help: "HTTP requests until they were answered, by method, route and class of the status.",
  labels: ["method", "route", "status"],
};
export const OPERATIONS: Described = {
  name: "berth_database_operation_duration_seconds",
  help: "Statements outside transactions, and whole transactions, the wait for a connection included.",
  labels: ["operation"],
};
export const MAINTENANCE: Described = {
  name: "berth_maintenance_runs_total",
  help: "Runs of what is done in the background, by task and outcome.",
  labels: ["task", "outcome"],
};
export const BUILD: Described = { name: "berth_build_info", help: "Always 1; the version is a label." };
export const REQUESTS_UNDER_WAY: Described = {
  name: "berth_http_requests_under_way",
  help: "HTTP requests that are not answered yet.",
};
export const POOL_USED: Described = {
  name: "berth_database_pool_used_connections",
  help: "Connections to the database that a statement or a transaction has now.",
};
export const POOL_WAITING: Described = {
  name: "berth_database_pool_waiting_operations",
  help: "Statements and transactions that wait behind another one for a connection.",
};

/** What is read whenever somebody asks. */
export const WATCHED = {
  poolSize: {
    name: "berth_database_pool_connections",
    help: "Connections that the pool to the database has at most.",
    type: "gauge",
    aggregator: "sum",
  },
  heartbeatAge: {
    name: "berth_notification_heartbeat_age_seconds",
    help: "Seconds since the database last answered over the channel that keeps the caches right.",
    type: "gauge",
    aggregator: "max",
  },
  auditLeftOut: {
    name: "berth_audit_refusals_left_out_total",
    help: "Refusals that were only counted in the audit log, since more than BERTH_AUDIT_REFUSALS_PER_MINUTE came.",
    type: "counter",
    aggregator: "sum",
  },
} as const satisfies Record<string, Omit<Snapshot, "values">>;

export type WatchedFigure = keyof typeof WATCHED;
