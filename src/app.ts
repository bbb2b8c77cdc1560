import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { HonoOptions } from "hono/hono-base";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import type { Deps } from "./deps.ts";
import { managementApi, tellManagement } from "./http/api/api.ts";
import { clientAddress } from "./http/client-address.ts";
import type { AppEnv } from "./http/context.ts";
import { exchangeRoutes, tell } from "./http/exchange.ts";
import { healthRoutes } from "./http/health.ts";
import { jsonSchemaRoutes } from "./http/json-schemas.ts";
import { metricsRoutes } from "./http/metrics.ts";
import { observe } from "./http/observe.ts";
import { registryRoutes, tellRegistry } from "./http/registry.ts";
import { registryTrustRoutes } from "./http/registry-trust.ts";
import { secureHeaders } from "./http/secure-headers.ts";
import { wellKnownRoutes } from "./http/well-known.ts";
import { ManagementError } from "./services/management-error.ts";
import { isBusy, isUnavailable, isUnprepared } from "./store/db.ts";
import { SealError } from "./tokens/sealing.ts";

export type App = OpenAPIHono<AppEnv>;

export interface AppOptions {
  /** In the place of the usual one, which takes its time before its first request and is fast from then on. */
  readonly router?: NonNullable<HonoOptions<AppEnv>["router"]>;
}

/**
 * The whole service over HTTP. A path means the same with and without a final slash.
 */
export function createApp(deps: Deps, options: AppOptions = {}): App {
  const app = new OpenAPIHono<AppEnv>({ strict: false, ...options });
  app.use(attend(deps));
  app.route("/", healthRoutes(deps));
  app.route("/", metricsRoutes(deps));
  app.route("/.well-known", wellKnownRoutes(deps));
  app.route("/oauth2", exchangeRoutes(deps));
  app.route("/", registryTrustRoutes(deps));
  app.route("/", jsonSchemaRoutes(deps));
  app.route("/", registryRoutes(deps));
  app.route("/", managementApi(deps));
  app.notFound((c) => answerFailure(c, "not_found", `There is nothing at ${c.req.path}.`));
  app.onError((error, c) => answerError(deps, error, c));
  return app;
}

/** What every request has: one step, since each one more is a wait of its own. */
function attend(deps: Deps): MiddlewareHandler<AppEnv> {
  const { clock, config } = deps;
  const headers = secureHeaders(config.publicUrl);
  return async (c, next) => {
    identify(deps, c);
    c.header("X-Request-Id", c.get("requestId"));
    for (const [name, value] of headers) c.header(name, value);
    await observe(deps, c, async () => {
      const startedAt = clock.now();
      // No name has a NUL in it, and the database takes none.
      if (c.req.url.includes("%00")) c.res = answerFailure(c, "invalid", "The URL holds a NUL.");
      else await next();
      closeAfterUnreadBody(c);
      logRequest(deps, c, startedAt);
    });
  };
}

function identify({ random, config, peerAddress }: Deps, c: Context<AppEnv>): void {
  c.set("requestId", random.uuid());
  c.set("clientAddress", clientAddress(peerAddress(c), c.req.header("x-forwarded-for"), config.trustedProxies));
}

/** What is left of a body that nobody read would be taken for the next request: the connection ends instead. */
function closeAfterUnreadBody(c: Context<AppEnv>): void {
  const hasBody = c.req.header("transfer-encoding") !== undefined || Number(c.req.header("content-length") ?? 0) > 0;
  if (hasBody && (c.res.status === 413 || !c.req.raw.bodyUsed)) c.header("Connection", "close");
}

/** One line for each request: its route, not its URL, where a client may have put anything. */
function logRequest({ log, clock }: Deps, c: Context<AppEnv>, startedAt: number): void {
  log.info("request", {
    request_id: c.get("requestId"),
    method: c.req.method,
    route: routePath(c),
    status: c.res.status,
    duration_ms: clock.now() - startedAt,
    client_address: c.get("clientAddress"),
  });
}

function answerError({ log }: Deps, error: Error, c: Context<AppEnv>): Response {
  if (error instanceof ManagementError) return tellManagement(c, error.code, error.message, error.problems);
  if (error instanceof HTTPException && error.status < 500) {
    return answerFailure(c, "invalid", error.status === 400 ? "The body is not valid JSON." : error.message);
  }
  if (isGone(error)) return answerFailure(c, "invalid", "The request ended before its body did.");
  if (isBusy(error)) {
    log.warn("others were at the same thing", { request_id: c.get("requestId"), error });
    c.header("Retry-After", "1");
    return answerFailure(c, "unavailable", "Others are changing the same thing right now. Try again shortly.");
  }
  if (isUnavailable(error)) {
    log.error("the database is not available", { request_id: c.get("requestId"), error });
    c.header("Retry-After", "1");
    return answerFailure(c, "unavailable", "The database cannot be reached right now. Try again shortly.");
  }
  if (isUnprepared(error)) {
    log.error("the database is not prepared: run `berth migrate` on it", {
      request_id: c.get("requestId"),
      error,
    });
    c.header("Retry-After", "60");
    return answerFailure(c, "unavailable", "The service is not set up yet. The log has it under this request_id.");
  }
  if (error instanceof SealError) {
    log.error("a signing key cannot be opened: give this instance the BERTH_SECRET_KEY that sealed it, too", {
      request_id: c.get("requestId"),
      error,
    });
    c.header("Retry-After", "60");
    return answerFailure(
      c,
      "unavailable",
      "A signing key cannot be opened here. The log has it under this request_id.",
    );
  }
  log.error("request failed", { request_id: c.get("requestId"), error });
  return answerFailure(c, "internal", "Something went wrong here. The log has it under this request_id.");
}

/** Node's error for a client that hung up; it has the code of a lost database connection too. */
function isGone(error: Error): boolean {
  return error.message === "aborted" && "code" in error && error.code === "ECONNRESET";
}

const FAILURES = {
  not_found: { status: 404, oauth: "invalid_request", registry: "NAME_UNKNOWN" },
  invalid: { status: 400, oauth: "invalid_request", registry: "UNSUPPORTED" },
  unavailable: { status: 503, oauth: "temporarily_unavailable", registry: "UNAVAILABLE" },
  internal: { status: 500, oauth: "server_error", registry: "UNKNOWN" },
} as const;

/** A failure of no surface's own, in the shape that the clients of that path read. */
function answerFailure(c: Context<AppEnv>, code: keyof typeof FAILURES, message: string): Response {
  const { status, oauth, registry } = FAILURES[code];
  c.set("reason", code);
  if (/^\/(v2|auth|registries)(\/|$)/.test(c.req.path)) return tellRegistry(c, status, registry, message);
  if (c.req.path.startsWith("/oauth2")) return tell(c, { error: oauth, code, message }, status);
  return tellManagement(c, code, message);
}
