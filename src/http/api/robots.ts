import type { Deps } from "../../deps.ts";
import type { JsonObject } from "../../domain/json.ts";
import { formatRobotName } from "../../domain/names.ts";
import { limits } from "../../limits.ts";
import { type ListedRobot, pageRobots } from "../../services/list-robots.ts";
import { changeRobot, createRobot, deleteRobot, getRobot } from "../../services/manage-robots.ts";
import type { IssuedStaticToken } from "../../services/static-tokens.ts";
import { viewOfRobot } from "../../services/views.ts";
import type { Robot } from "../../store/robots.ts";
import { putEntityTag } from "./conditions.ts";
import { nameWithin } from "./repositories.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { metadata, organizationParam, pageQuery, prose, robotMetadata, robotParam } from "./schemas.ts";

export const robot = z
  .object({
    name: z.string().openapi({ example: "acme+ci" }),
    created: z.iso.datetime(),
    created_by: z.string(),
    last_accessed: z.iso.datetime().nullable(),
    description: z.string(),
    unstructured_metadata: metadata,
    token: z.string().nullable().openapi({ description: "A static token, in the one reply that makes it" }),
    token_expires_at: z.iso.datetime().nullable().optional().openapi({ description: "Beside a token; null: never" }),
    disabled: z.boolean(),
  })
  .openapi("Robot");

const description = prose(limits.binding.description);

const listedRobot = robot
  .extend({
    repositories: z
      .array(z.string())
      .optional()
      .openapi({ description: "With `permissions`: those of the default registry that it has a role on" }),
    teams: z.array(z.string()).max(0).optional().openapi({ description: "Beside them: there are none here" }),
  })
  .openapi("ListedRobot");

/** As Quay's clients write one. */
const flag = z
  .stringbool({ truthy: ["true", "1"], falsy: ["false", "0", "null", ""], error: "must be true or false" })
  .openapi({ type: "boolean" });

const listed = createRoute({
  method: "get",
  path: "/organization/{org}/robots",
  summary: "List robots",
  request: {
    params: organizationParam,
    query: pageQuery.extend({
      // Quay's clients ask for no second page.
      limit: pageQuery.shape.limit.unwrap().default(limits.page.max),
      permissions: flag.default(false).openapi({ description: "Tell what they have a role on" }),
      token: flag.optional().openapi({ description: "Without effect: tokens are shown once, when they are made" }),
    }),
  },
  responses: {
    200: json(z.object({ robots: z.array(listedRobot), next_page: z.string().optional() }), "One page, by name"),
  },
});

const created = createRoute({
  method: "put",
  path: "/organization/{org}/robots/{robot}",
  summary: "Create a robot",
  request: {
    params: robotParam,
    body: body(
      z.object({ description: description.optional(), unstructured_metadata: robotMetadata.optional() }),
      false,
    ),
  },
  responses: { 201: tagged(robot, "The robot") },
});

const got = createRoute({
  method: "get",
  path: "/organization/{org}/robots/{robot}",
  summary: "Get a robot",
  request: { params: robotParam },
  responses: { 200: tagged(robot, "The robot") },
});

const changed = createRoute({
  method: "patch",
  path: "/organization/{org}/robots/{robot}",
  summary: "Change what is given; a disabled robot's tokens end",
  request: {
    params: robotParam,
    body: body(
      z.object({
        description: description.optional(),
        unstructured_metadata: robotMetadata.optional(),
        disabled: z.boolean().optional(),
      }),
    ),
  },
  responses: { 200: tagged(robot, "The robot") },
});

const deleted = createRoute({
  method: "delete",
  path: "/organization/{org}/robots/{robot}",
  summary: "Delete a robot, its bindings and its grants; its tokens end",
  request: { params: robotParam },
  responses: { 204: { description: "Deleted" } },
});

export function robotRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(listed, async (c) => {
    const { org } = c.req.valid("param");
    const { limit, next_page: after, permissions } = c.req.valid("query");
    const { items, next } = await pageRobots(deps, actorOf(c), org, { after, limit, permissions });
    const robots = items.map((item) => presentListed(org, item));
    return c.json({ robots, ...(next !== undefined && { next_page: next }) }, 200);
  });
  api.openapi(created, async (c) => {
    const { org, robot: name } = c.req.valid("param");
    const sent = c.req.valid("json");
    const { robot: made, issued } = await createRobot(
      deps,
      actorOf(c),
      { organization: org, robot: name },
      {
        description: sent.description ?? "",
        unstructuredMetadata: (sent.unstructured_metadata ?? {}) as JsonObject,
      },
    );
    await putEntityTag(c, viewOfRobot(made));
    if (!issued) return c.json(presentRobot(org, made), 201);
    return c.json({ ...presentRobot(org, made), ...presentToken(issued) }, 201);
  });
  api.openapi(got, async (c) => {
    const { org, robot: name } = c.req.valid("param");
    const found = await getRobot(deps, actorOf(c), { organization: org, robot: name });
    await putEntityTag(c, viewOfRobot(found));
    return c.json(presentRobot(org, found), 200);
  });
  api.openapi(changed, async (c) => {
    const { org, robot: name } = c.req.valid("param");
    const { description: told, unstructured_metadata: kept, disabled } = c.req.valid("json");
    const change = {
      ...(told !== undefined && { description: told }),
      ...(kept !== undefined && { unstructuredMetadata: kept as JsonObject }),
      ...(disabled !== undefined && { disabled }),
    };
    const stored = await changeRobot(deps, actorOf(c), { organization: org, robot: name }, change);
    await putEntityTag(c, viewOfRobot(stored));
    return c.json(presentRobot(org, stored), 200);
  });
  api.openapi(deleted, async (c) => {
    const { org, robot: name } = c.req.valid("param");
    await deleteRobot(deps, actorOf(c), { organization: org, robot: name });
    return c.body(null, 204);
  });
  return api;
}

function presentListed(organization: string, { robot: row, repositories }: ListedRobot): z.infer<typeof listedRobot> {
  const shown = presentRobot(organization, row);
  if (!repositories) return shown;
  return { ...shown, repositories: repositories.map((name) => nameWithin(organization, name)), teams: [] };
}

export function presentRobot(organization: string, row: Robot): z.infer<typeof robot> {
  return {
    name: formatRobotName({ organization, robot: row.name }),
    created: row.createdAt.toISOString(),
    created_by: row.createdBy,
    last_accessed: row.lastAccessed?.toISOString() ?? null,
    ...viewOfRobot(row),
    token: null,
  };
}

/** Of the one reply that shows it. */
export function presentToken({ token, expiresAt }: IssuedStaticToken) {
  return { token: token.reveal(), token_expires_at: expiresAt?.toISOString() ?? null };
}
