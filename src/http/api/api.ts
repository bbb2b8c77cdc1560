import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import { authenticateActor } from "../../services/authenticate-actor.ts";
import { type ManagementCode, ManagementError } from "../../services/management-error.ts";
import type { AppEnv } from "../context.ts";
import { apiTokenRoutes } from "./api-tokens.ts";
import { bindingRoutes } from "./bindings.ts";
import { readConditions } from "./conditions.ts";
import { explainRoutes } from "./explain.ts";
import { federationRoutes } from "./federation.ts";
import { grantRoutes } from "./grants.ts";
import { issuerRoutes } from "./issuers.ts";
import { requireJson } from "./json-body.ts";
import { keyRoutes } from "./keys.ts";
import { logRoutes } from "./logs.ts";
import { memberRoutes } from "./members.ts";
import { organizationRoutes } from "./organizations.ts";
import { presetRoutes } from "./presets.ts";
import { principalRoutes } from "./principals.ts";
import { prototypeRoutes } from "./prototypes.ts";
import { registryApiRoutes } from "./registries.ts";
import { repositoryRoutes } from "./repositories.ts";
import { robotTokenRoutes } from "./robot-tokens.ts";
import { robotRoutes } from "./robots.ts";
import { type ApiEnv, createApi } from "./route.ts";
import { usageRoutes } from "./usage.ts";
import { userRoutes } from "./user.ts";

const BASE = "/api/v1";

/** The management API, and `/openapi.json`, which describes it from the very routes that serve it. */
export function managementApi(deps: Deps) {
  const api = createApi();
  api.use(`${BASE}/*`, requireApiToken(deps), limitBody, requireJson, readConditions);
  for (const routes of [
    userRoutes,
    organizationRoutes,
    memberRoutes,
    principalRoutes,
    apiTokenRoutes,
    robotRoutes,
    robotTokenRoutes,
    grantRoutes,
    repositoryRoutes,
    prototypeRoutes,
    federationRoutes,
    bindingRoutes,
    explainRoutes,
    issuerRoutes,
    registryApiRoutes,
    keyRoutes,
    usageRoutes,
    logRoutes,
    presetRoutes,
  ]) {
    api.route(BASE, routes(deps));
  }
  api.all(`${BASE}/*`, (c) => {
    throw new ManagementError("not_found", `There is nothing at ${c.req.method} ${c.req.path}.`);
  });
  api.openAPIRegistry.registerComponent("securitySchemes", "apiToken", { type: "http", scheme: "bearer" });
  api.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Berth", version: "1", description: "Keyless robot accounts for container registries" },
    servers: [{ url: deps.config.publicUrl }],
    security: [{ apiToken: [] }],
  });
  return api;
}

function requireApiToken(deps: Deps): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const apiToken = /^bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (!apiToken) {
      throw new ManagementError("unauthenticated", "Send an API token: Authorization: Bearer TOKEN.");
    }
    c.set("authenticated", await authenticateActor(deps, apiToken));
    await next();
  };
}

const limitBody = bodyLimit({
  maxSize: limits.http.apiBodyBytes,
  onError: () => {
    throw new ManagementError("body_too_large", `The body has more than ${limits.http.apiBodyBytes} bytes.`);
  },
});

const PRESENTATION = {
  unauthenticated: { status: 401, title: "Not authenticated" },
  forbidden: { status: 403, title: "Not allowed" },
  not_found: { status: 404, title: "Not found" },
  already_exists: { status: 400, title: "Exists already" },
  conflict: { status: 409, title: "Conflict" },
  precondition_failed: { status: 412, title: "Changed meanwhile" },
  invalid: { status: 400, title: "Invalid" },
  body_too_large: { status: 413, title: "Too large" },
  issuer_unreachable: { status: 503, title: "The issuer does not answer" },
  unavailable: { status: 503, title: "Not available" },
  internal: { status: 500, title: "Internal error" },
} as const satisfies Record<ManagementCode | "unavailable" | "internal", { status: number; title: string }>;

/** Answers with problem details (RFC 9457), in union with the shape that Quay's clients read. */
export function tellManagement(
  c: Context<AppEnv>,
  code: keyof typeof PRESENTATION,
  detail: string,
  errors: ManagementError["problems"] = [],
): Response {
  const { status, title } = PRESENTATION[code];
  if (status === 401) c.header("WWW-Authenticate", 'Bearer realm="berth"');
  const body = {
    type: "about:blank",
    title,
    status,
    detail,
    error_type: code,
    error_message: detail,
    code,
    request_id: c.get("requestId"),
    errors,
  };
  return c.json(body, status);
}
