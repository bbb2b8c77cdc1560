import type { Deps } from "../../deps.ts";
import { otherRepositories } from "../../domain/uses.ts";
import { limits } from "../../limits.ts";
import { pageUsage } from "../../services/robot-usage.ts";
import { actorOf, createApi, createRoute, json, z } from "./route.ts";
import { pageQuery, robotParam } from "./schemas.ts";

const use = z
  .object({
    day: z.iso.date().openapi({ description: "UTC" }),
    registry: z.string().openapi({ description: "Its `service`" }),
    repository: z.string().openapi({
      description: `${otherRepositories}: those beyond ${limits.uses.newRepositoriesPerMinute} new ones in a minute, together`,
    }),
    action: z.string(),
    count: z.int().openapi({ description: "Registry tokens issued for it; a client may use one several times" }),
    last_used: z.iso.datetime(),
  })
  .openapi("Use");

const listed = createRoute({
  method: "get",
  path: "/organization/{org}/robots/{robot}/usage",
  summary: "What a robot was given registry tokens for, by day, latest first",
  request: { params: robotParam, query: pageQuery },
  responses: {
    200: json(z.object({ usage: z.array(use), next_page: z.string().optional() }), "One page"),
  },
});

export function usageRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(listed, async (c) => {
    const { org, robot } = c.req.valid("param");
    const { limit, next_page: after } = c.req.valid("query");
    const { items, next } = await pageUsage(deps, actorOf(c), { organization: org, robot }, { after, limit });
    const usage = items.map(({ day, service, repository, action, count, lastUsed }) => ({
      day,
      registry: service,
      repository,
      action,
      count,
      last_used: lastUsed.toISOString(),
    }));
    return c.json({ usage, ...(next !== undefined && { next_page: next }) }, 200);
  });
  return api;
}
