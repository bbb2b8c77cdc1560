import { Hono } from "hono";
import { accepts } from "hono/accepts";
import type { Deps } from "../deps.ts";
import { createCache } from "../domain/cache.ts";
import type { Secret } from "../domain/secret.ts";
import { limits } from "../limits.ts";
import { type Authenticated, authenticateActor } from "../services/authenticate-actor.ts";
import { ManagementError } from "../services/management-error.ts";
import { isUnavailable } from "../store/db.ts";
import { tellManagement } from "./api/api.ts";
import { type AppEnv, readBearer } from "./context.ts";
import { answerMethods } from "./methods.ts";

const OPENMETRICS = "application/openmetrics-text";

/** `/metrics`, where the platform keeps figures: for whoever may see everything, or for everybody. */
export function metricsRoutes(deps: Deps): Hono<AppEnv> {
  const { page } = deps.metrics;
  const routes = new Hono<AppEnv>();
  if (!page) return routes;
  const requireWatcher = rememberWatchers(deps);
  routes.get("/metrics", async (c) => {
    if (!deps.config.metricsPublic) await requireWatcher(readBearer(c));
    const supports = ["text/plain", OPENMETRICS];
    const accepted = accepts(c, { header: "Accept", supports, default: "text/plain" });
    const { contentType, text } = await page(accepted === OPENMETRICS ? "openmetrics" : "prometheus");
    return c.body(text, 200, { "Content-Type": contentType, "Cache-Control": "no-store" });
  });
  answerMethods(routes, { "/metrics": ["GET"] }, (c, message) => tellManagement(c, "method_not_allowed", message));
  return routes;
}

/**
 * Whoever watches is to see an outage of the database, too: while it lasts, a token that opened the figures lately
 * still does.
 *
 * @returns throws {ManagementError} for whoever may not see them
 */
function rememberWatchers(deps: Deps): (apiToken: Secret) => Promise<void> {
  const seen = createCache<{ readonly at: number; readonly until: number }>(limits.watchers.most);
  return async (apiToken) => {
    const hash = await deps.sha256(apiToken.reveal());
    try {
      const { expiresAt } = await requireSuperReader(deps, apiToken);
      const at = deps.clock.now();
      const end = expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
      seen.set(hash, { at, until: Math.min(at + limits.watchers.rememberedMilliseconds, end) });
    } catch (error) {
      if (!isUnavailable(error)) seen.remove(hash);
      const known = seen.get(hash);
      const now = deps.clock.now();
      if (!known || now < known.at || now >= known.until) throw error;
    }
  };
}

/** @throws {ManagementError} */
async function requireSuperReader(deps: Deps, apiToken: Secret): Promise<Authenticated["token"]> {
  const { access, token } = await authenticateActor(deps, apiToken);
  if (access.superUser !== false) return token;
  throw new ManagementError(
    "forbidden",
    "The figures are of all organizations: use a read-only superuser's API token.",
  );
}
