import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { routePath } from "hono/route";
import { METHOD_NAME_ALL } from "hono/router";
import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import { authenticateActor } from "../../services/authenticate-actor.ts";
import { type ManagementCode, ManagementError } from "../../services/management-error.ts";
import { recordForbidden } from "../../services/record-forbidden.ts";
import { writeUses } from "../../services/write-uses.ts";
import { throwUnreachable } from "../../store/db.ts";
import { type AppEnv, readBearer } from "../context.ts";
import type { Description } from "../docs/description.ts";
import { apiPage } from "../docs/page.ts";
import { answerMethods } from "../methods.ts";
import { apiTokenRoutes } from "./api-tokens.ts";
import { bindingRoutes } from "./bindings.ts";
import { readConditions } from "./conditions.ts";
import { deletedOrganizationRoutes } from "./deleted-organizations.ts";
import { describeApi } from "./describe-route.ts";
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
import { type ApiEnv, actorOf, createApi } from "./route.ts";
import { stateRoutes } from "./state.ts";
import { usageRoutes } from "./usage.ts";
import { userRoutes } from "./user.ts";

const BASE = "/api/v1";

/** The management API, with `/openapi.json`, which describes it from the very routes that serve it, and `/docs`, which shows that. */
export function managementApi(deps: Deps) {
  const api = createApi();
  api.use(`${BASE}/*`, requireApiToken(deps), requireDecodableUrl, limitBody, requireJson, readConditions);
  for (const routes of [
    userRoutes,
    organizationRoutes,
    deletedOrganizationRoutes,
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
    stateRoutes,
    presetRoutes,
  ]) {
    api.route(BASE, routes(deps));
  }
  const description = lazy(() => describeApi(api, deps.config.publicUrl));
  // Anybody may ask for it, as often as fits into one packet, and read none of the answers.
  const written = lazy(() => new TextEncoder().encode(JSON.stringify(description())));
  const shown = lazy(() => apiPage(description() as Description));
  api.get("/openapi.json", (c) => c.body(written(), 200, { "Content-Type": "application/json" }));
  api.get("/docs", async (c) => {
    const { page, policy } = await shown();
    return c.html(page, 200, { "Content-Security-Policy": policy });
  });
  answerMethods(api, methodsByPath(api), (c, message) =>
    tellManagement(c as unknown as Context<AppEnv>, "method_not_allowed", message),
  );
  api.all(`${BASE}/*`, (c) => {
    throw new ManagementError("not_found", `There is nothing at ${c.req.path}.`);
  });
  return api;
}

/** Makes something when it is first asked for, and once. */
function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function methodsByPath({ routes }: OpenAPIHono<ApiEnv>): Record<string, string[]> {
  const served = routes.filter(({ method }) => method !== METHOD_NAME_ALL);
  const byPath = Map.groupBy(served, ({ path }) => path);
  return Object.fromEntries(
    Array.from(byPath, ([path, those]) => [path, [...new Set(those.map(({ method }) => method))].sort()]),
  );
}

function requireApiToken(deps: Deps): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    c.header("Cache-Control", "no-store");
    c.set("authenticated", await authenticateActor(deps, readBearer(c)));
    const changes = c.req.method !== "GET";
    // What a client is shown counts all that this instance did before.
    if (!changes) await writeUsesIfCan(deps);
    await next();
    // Whoever was told of a change finds it made, here at once.
    if (changes) await deps.recall.catchUp();
    const { error } = c;
    if (changes && error instanceof ManagementError && error.code === "forbidden") {
      await recordForbidden(deps, actorOf(c), `${c.req.method} ${routePath(c)}`, c.req.param("org"));
    }
  };
}

/** @throws only that the database is unreachable, which whoever reads from it would find out once more */
async function writeUsesIfCan(deps: Deps): Promise<void> {
  try {
    await writeUses(deps);
  } catch (error) {
    throwUnreachable(error);
    deps.log.error("counts of uses were not written", { error });
  }
}

/** What cannot be decoded would be taken as it stands, for a name that nobody meant. */
const requireDecodableUrl: MiddlewareHandler<ApiEnv> = async (c, next) => {
  try {
    decodeURIComponent(c.req.url);
  } catch {
    throw new ManagementError("invalid", "The URL holds a % that stands for no character: encode it as UTF-8.");
  }
  await next();
};

/** A document of a state may be large, from whoever could have it applied somewhere. */
const limitBody: MiddlewareHandler<ApiEnv> = (c, next) => {
  const { superUser, roles } = c.get("authenticated").access;
  const mayPutState = superUser === true || [...roles.values()].includes("admin");
  return mayPutState && /\/state\/?$/.test(c.req.path) ? limitState(c, next) : limitOther(c, next);
};

const limitTo = (maxSize: number) =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new ManagementError("body_too_large", `The body has more than ${maxSize} bytes.`);
    },
  });
const limitState = limitTo(limits.state.bodyBytes);
const limitOther = limitTo(limits.http.apiBodyBytes);

const PRESENTATION = {
  unauthenticated: { status: 401, title: "Not authenticated" },
  forbidden: { status: 403, title: "Not allowed" },
  not_found: { status: 404, title: "Not found" },
  already_exists: { status: 400, title: "Exists already" },
  conflict: { status: 409, title: "Conflict" },
  precondition_failed: { status: 412, title: "Changed meanwhile" },
  invalid: { status: 400, title: "Invalid" },
  method_not_allowed: { status: 405, title: "Not a method of this path" },
  body_too_large: { status: 413, title: "Too large" },
  issuer_unreachable: { status: 503, title: "The issuer does not answer" },
  unavailable: { status: 503, title: "Not available" },
  internal: { status: 500, title: "Internal error" },
} as const satisfies Record<
  ManagementCode | "method_not_allowed" | "unavailable" | "internal",
  { status: number; title: string }
>;

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
