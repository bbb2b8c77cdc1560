import type { Deps } from "../../deps.ts";
import { namePatterns } from "../../domain/names.ts";
import { isRepositoryPattern, repositoryActions } from "../../domain/scope.ts";
import { limits } from "../../limits.ts";
import { pageGrantsTo } from "../../services/find-grants.ts";
import { getGrants, putGrants, type RegistryGrant, viewOfGrant } from "../../services/manage-grants.ts";
import type { GrantOfRobot } from "../../store/grants.ts";
import { putEntityTag } from "./conditions.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { formed, pageByIdQuery, robotParam } from "./schemas.ts";

const registry = z.string().max(255).optional().openapi({ description: "Its `service`; absent: the default registry" });

export const grant = z
  .union(
    [
      z.strictObject({
        registry,
        repository: formed(limits.repositoryName + 2, { pattern: namePatterns.grant }, "acme/*"),
        actions: z.array(z.enum(repositoryActions)).min(1).max(16),
      }),
      z.strictObject({ registry, catalog: z.literal(true) }),
    ],
    {
      error:
        'must be {"repository": "…", "actions": ["pull", "push", "delete"]} or {"catalog": true}, each with a "registry" or none',
    },
  )
  .openapi("Grant");

const grants = z.array(grant).max(limits.grantsPerRobot);

const got = createRoute({
  method: "get",
  path: "/organization/{org}/robots/{robot}/grants",
  summary: "What a robot may do, by registry",
  request: { params: robotParam },
  responses: { 200: tagged(grants, "The grants") },
});

const put = createRoute({
  method: "put",
  path: "/organization/{org}/robots/{robot}/grants",
  summary: "Replace all that a robot may do",
  request: { params: robotParam, body: body(grants) },
  responses: { 200: tagged(grants, "The grants as stored") },
});

const grantOfRobot = z
  .object({
    robot: z.string().openapi({ example: "acme+ci" }),
    registry: z.string(),
    repository: z.string().openapi({ description: "As it was granted", example: "acme/*" }),
    actions: z.array(z.enum(repositoryActions)),
  })
  .openapi("GrantOfRobot");

const found = createRoute({
  method: "get",
  path: "/grants",
  summary: "Who may do what to a repository",
  request: {
    query: pageByIdQuery.extend({
      repository: z
        .string()
        .refine(isRepositoryPattern, "must be a repository's name, a prefix of names ending in /*, or *")
        .default("*")
        .openapi({
          description: "A name, or a pattern: then every grant that covers any repository of it",
          example: "acme/app",
        }),
      registry: z.string().max(255).optional().openapi({ description: "Its `service`; absent: every registry" }),
    }),
  },
  responses: {
    200: json(z.object({ grants: z.array(grantOfRobot), next_page: z.string().optional() }), "One page"),
  },
});

export function grantRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(got, async (c) => {
    const { org, robot } = c.req.valid("param");
    const stored = await getGrants(deps, actorOf(c), { organization: org, robot });
    await putEntityTag(c, stored.map(viewOfGrant));
    return c.json(stored.map(present), 200);
  });
  api.openapi(put, async (c) => {
    const { org, robot } = c.req.valid("param");
    const stored = await putGrants(deps, actorOf(c), { organization: org, robot }, c.req.valid("json"));
    await putEntityTag(c, stored.map(viewOfGrant));
    return c.json(stored.map(present), 200);
  });
  api.openapi(found, async (c) => {
    const { limit, next_page: after, repository, registry: service } = c.req.valid("query");
    const { items, next } = await pageGrantsTo(deps, actorOf(c), { limit, after, repository, registry: service });
    return c.json({ grants: items.map(presentOfRobot), ...(next !== undefined && { next_page: next }) }, 200);
  });
  return api;
}

function present(stored: RegistryGrant): z.infer<typeof grant> {
  if ("catalog" in stored) return { registry: stored.registry, catalog: true };
  const { registry: service, repository, actions } = stored;
  return { registry: service, repository, actions: inOrder(actions) };
}

function presentOfRobot({ robot, registry: service, pattern, actions }: GrantOfRobot): z.infer<typeof grantOfRobot> {
  return { robot, registry: service, repository: pattern, actions: inOrder(actions) };
}

function inOrder(actions: readonly string[]) {
  return repositoryActions.filter((action) => actions.includes(action));
}
