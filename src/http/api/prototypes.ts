import type { Deps } from "../../deps.ts";
import { formatRobotName } from "../../domain/names.ts";
import { limits } from "../../limits.ts";
import {
  changePrototypeRole,
  deletePrototype,
  getPrototype,
  type Prototype,
  pagePrototypes,
  putPrototype,
  viewOfPrototype,
} from "../../services/manage-prototypes.ts";
import { putEntityTag } from "./conditions.ts";
import { idempotencyKey } from "./describe-route.ts";
import { role } from "./repositories.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { organizationParam, pageQuery } from "./schemas.ts";

const warnings = z.array(z.string()).openapi({ description: "That it covers repositories which are there already" });

const prototype = z
  .object({
    id: z.uuid(),
    role,
    delegate: z.object({
      name: z.string().openapi({ example: "acme+ci" }),
      kind: z.literal("user"),
      is_robot: z.literal(true),
      is_org_member: z.literal(true),
    }),
    activating_user: z.null(),
  })
  .openapi("Prototype");
const told = prototype.extend({ warnings }).openapi("PrototypeWithWarnings");

const sent = z.object({
  role,
  delegate: z.object({
    name: z
      .string()
      .max(2 * limits.name.max + 1)
      .openapi({ description: "A robot of the organization, in full" }),
    kind: z.literal("user", { error: 'must be "user", which robots are too: there are no teams here' }),
  }),
  activating_user: z
    .null({ error: "must be null: a default permission covers every repository, whoever makes it" })
    .optional(),
});

const path = "/organization/{org}/prototypes";
const prototypeParam = organizationParam.extend({ id: z.uuid() });

const listed = createRoute({
  method: "get",
  path,
  summary: "The default permissions of an organization: its robots' grants on all of its repositories",
  request: {
    params: organizationParam,
    // Quay's clients ask for no second page.
    query: pageQuery.extend({ limit: pageQuery.shape.limit.unwrap().default(limits.page.max) }),
  },
  responses: {
    200: json(
      z.object({ prototypes: z.array(prototype), next_page: z.string().optional(), warnings }),
      "By the robots' names",
    ),
  },
});

const posted = createRoute({
  method: "post",
  path,
  parameters: [idempotencyKey],
  summary: "Give a robot a role on all repositories of its organization, in the place of the one it has so",
  request: { params: organizationParam, body: body(sent) },
  responses: { 200: tagged(told, "The default permission") },
});

const got = createRoute({
  method: "get",
  path: `${path}/{id}`,
  summary: "Get a default permission",
  request: { params: prototypeParam },
  responses: { 200: tagged(told, "The default permission") },
});

const put = createRoute({
  method: "put",
  path: `${path}/{id}`,
  summary: "Change the role of a default permission",
  request: { params: prototypeParam, body: body(z.object({ role })) },
  responses: { 200: tagged(told, "The default permission") },
});

const deleted = createRoute({
  method: "delete",
  path: `${path}/{id}`,
  summary: "Delete a default permission; what the robot holds by other grants stays",
  request: { params: prototypeParam },
  responses: { 204: { description: "Deleted" } },
});

export function prototypeRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(listed, async (c) => {
    const { org } = c.req.valid("param");
    const { limit, next_page: after } = c.req.valid("query");
    const { items, next } = await pagePrototypes(deps, actorOf(c), org, { after, limit });
    const prototypes = items.map(present);
    return c.json({ prototypes, ...(next !== undefined && { next_page: next }), warnings: warningsOf(org) }, 200);
  });
  api.openapi(posted, async (c) => {
    const { org } = c.req.valid("param");
    const { role: wanted, delegate } = c.req.valid("json");
    const made = await putPrototype(deps, actorOf(c), org, { delegate: delegate.name, role: wanted });
    await putEntityTag(c, viewOfPrototype(made));
    return c.json({ ...present(made), warnings: warningsOf(org) }, 200);
  });
  api.openapi(got, async (c) => {
    const { org, id } = c.req.valid("param");
    const found = await getPrototype(deps, actorOf(c), org, id);
    await putEntityTag(c, viewOfPrototype(found));
    return c.json({ ...present(found), warnings: warningsOf(org) }, 200);
  });
  api.openapi(put, async (c) => {
    const { org, id } = c.req.valid("param");
    const changed = await changePrototypeRole(deps, actorOf(c), org, id, c.req.valid("json").role);
    await putEntityTag(c, viewOfPrototype(changed));
    return c.json({ ...present(changed), warnings: warningsOf(org) }, 200);
  });
  api.openapi(deleted, async (c) => {
    const { org, id } = c.req.valid("param");
    await deletePrototype(deps, actorOf(c), org, id);
    return c.body(null, 204);
  });
  return api;
}

function present({ id, robot, role: held }: Prototype): z.infer<typeof prototype> {
  const delegate = { name: formatRobotName(robot), kind: "user", is_robot: true, is_org_member: true } as const;
  return { id, role: held, delegate, activating_user: null };
}

function warningsOf(organization: string): string[] {
  return [
    `A default permission is the robot's grant on ${organization}/* of the default registry: it covers the repositories that are there already, too.`,
  ];
}
