import type { RouteConfig } from "@hono/zod-openapi";
import type { Deps } from "../../deps.ts";
import { formatRobotName } from "../../domain/names.ts";
import { roles } from "../../domain/role.ts";
import {
  deletePermission,
  getPermission,
  listPermissions,
  listRobotPermissions,
  type PermittedRepository,
  putPermission,
  type RepositoryPermission,
} from "../../services/manage-permissions.ts";
import { putEntityTag } from "./conditions.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { robotParam } from "./schemas.ts";

export const role = z.enum(roles).openapi({ description: "read: pull; write: pull, push; admin: pull, push, delete" });

const permission = z
  .object({
    role,
    name: z.string().openapi({ example: "acme+ci" }),
    is_robot: z.literal(true),
    is_org_member: z.literal(true),
  })
  .openapi("RepositoryPermission");

const permitted = z
  .object({
    repository: z.object({
      name: z.string().openapi({ description: "Without the organization in front", example: "app" }),
      full_name: z.string().openapi({ example: "acme/app" }),
      is_public: z.boolean().openapi({ description: "Whether anybody may pull it" }),
    }),
    role,
  })
  .openapi("RobotPermission");

const repositoryParam = z.object({
  repository: z.string().openapi({ description: "In full; it may hold slashes", example: "acme/app" }),
});
const userParam = repositoryParam.extend({
  user: z.string().openapi({ description: "A robot, in full", example: "acme+ci" }),
});
const path = "/repository/{repository}/permissions/user";

const listed = createRoute({
  method: "get",
  path,
  operationId: "getRepositoryPermissions",
  summary: "Who has a role on a repository of the default registry",
  request: { params: repositoryParam },
  responses: { 200: json(z.object({ permissions: z.record(z.string(), permission) }), "By name") },
});

const got = createRoute({
  method: "get",
  path: `${path}/{user}`,
  summary: "A robot's role on a repository of the default registry",
  request: { params: userParam },
  responses: { 200: tagged(permission, "The role") },
});

const put = createRoute({
  method: "put",
  path: `${path}/{user}`,
  summary: "Put a role in the place of a robot's grant on that repository",
  request: { params: userParam, body: body(z.object({ role })) },
  responses: { 200: tagged(permission, "The role") },
});

const deleted = createRoute({
  method: "delete",
  path: `${path}/{user}`,
  summary: "Take away a robot's grant on that repository",
  request: { params: userParam },
  responses: { 204: { description: "Taken away" } },
});

const ofRobot = createRoute({
  method: "get",
  path: "/organization/{org}/robots/{robot}/permissions",
  summary: "The repositories of the default registry that a robot has a role on",
  request: { params: robotParam },
  responses: { 200: json(z.object({ permissions: z.array(permitted) }), "By name") },
});

export function repositoryRoutes(deps: Deps) {
  const api = createApi();
  for (const route of [listed, got, put, deleted]) api.openAPIRegistry.registerPath(route);
  api.openapi(withSlashes(listed), async (c) => {
    const held = await listPermissions(deps, actorOf(c), c.req.valid("param").repository);
    const permissions = Object.fromEntries(held.map((one) => [formatRobotName(one.robot), present(one)]));
    return c.json({ permissions }, 200);
  });
  api.openapi(withSlashes(got), async (c) => {
    const { repository, user } = c.req.valid("param");
    const held = await getPermission(deps, actorOf(c), repository, user);
    await putEntityTag(c, { repository, actions: held.actions });
    return c.json(present(held), 200);
  });
  api.openapi(withSlashes(put), async (c) => {
    const { repository, user } = c.req.valid("param");
    const held = await putPermission(deps, actorOf(c), repository, user, c.req.valid("json").role);
    await putEntityTag(c, { repository, actions: held.actions });
    return c.json(present(held), 200);
  });
  api.openapi(withSlashes(deleted), async (c) => {
    const { repository, user } = c.req.valid("param");
    await deletePermission(deps, actorOf(c), repository, user);
    return c.body(null, 204);
  });
  api.openapi(ofRobot, async (c) => {
    const { org, robot } = c.req.valid("param");
    const held = await listRobotPermissions(deps, actorOf(c), { organization: org, robot });
    return c.json({ permissions: held.map((one) => presentPermitted(org, one)) }, 200);
  });
  return api;
}

/** A repository's name may hold slashes. OpenAPI has no word for that, so its description is registered apart. */
function withSlashes<T extends RouteConfig>(route: T): T & { hide: true } {
  return { ...route, path: route.path.replace("{repository}", "{repository}{.+}"), hide: true };
}

function present({ robot, role }: RepositoryPermission): z.infer<typeof permission> {
  return { role, name: formatRobotName(robot), is_robot: true, is_org_member: true };
}

/** As Quay's clients know a repository: without the organization in front, unless it has another name there. */
export function nameWithin(organization: string, repository: string): string {
  const own = `${organization}/`;
  return repository.startsWith(own) ? repository.slice(own.length) : repository;
}

function presentPermitted(organization: string, one: PermittedRepository): z.infer<typeof permitted> {
  return {
    repository: { name: nameWithin(organization, one.repository), full_name: one.repository, is_public: one.isPublic },
    role: one.role,
  };
}
