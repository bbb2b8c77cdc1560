import { Hono } from "hono";
import type { Deps } from "../deps.ts";
import { limits } from "../limits.ts";
import { createProbe } from "../services/readiness.ts";
import type { AppEnv } from "./context.ts";

/** `/healthz`: the process answers. `/readyz`: it can do its work, with its database, its schema and its keys, and goes on doing it. */
export function healthRoutes(deps: Deps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const probe = createProbe(deps);
  routes.get("/healthz", (c) => c.json({ status: "ok" }));
  routes.get("/readyz", async (c) => {
    if (deps.isStopping()) return c.json({ status: "stopping" }, 503, { "Retry-After": "1" });
    const lacking = await probe(AbortSignal.timeout(limits.readiness.milliseconds));
    if (lacking === undefined) return c.json({ status: "ready" });
    return c.json({ status: "not_ready", lacking }, 503, { "Retry-After": "1" });
  });
  return routes;
}
