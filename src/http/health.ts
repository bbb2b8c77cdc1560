import { sql } from "drizzle-orm";
import { Hono } from "hono";
import type { Deps } from "../deps.ts";
import type { AppEnv } from "./context.ts";

/** `/healthz`: the process answers. `/readyz`: it can do its work, with its database and its keys. */
export function healthRoutes({ db, keys, log }: Deps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get("/healthz", (c) => c.json({ status: "ok" }));
  routes.get("/readyz", async (c) => {
    try {
      await db.execute(sql`select 1`);
      const { signing } = await keys.robotToken();
      await signing();
      return c.json({ status: "ready" });
    } catch (error) {
      log.warn("not ready", { request_id: c.get("requestId"), error });
      return c.json({ status: "not_ready" }, 503, { "Retry-After": "1" });
    }
  });
  return routes;
}
