import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import {
  changeOrganization,
  createOrganization,
  deleteOrganization,
  getOrganization,
  pageOrganizations,
} from "../../services/manage-organizations.ts";
import type { Organization } from "../../store/organizations.ts";
import { actorOf, body, createApi, createRoute, json, refusals, z } from "./route.ts";
import { organizationParam, pageQuery } from "./schemas.ts";

const names = (max: number) => z.array(z.string().max(limits.binding.text).min(1)).max(max).nullable();

const settings = z.object({
  email: z.string().max(320).nullable(),
  audiences: names(limits.binding.audiences).openapi({
    description: "Audiences that a token may be meant for where its binding names none; null: the service's own",
  }),
  clients: names(limits.binding.clients).openapi({
    description: "Clients that a token may have been issued to where its binding names none; null: any",
  }),
});

/** Settings that are promised: to take one and do nothing would be worse than to refuse it. */
const unsupported = z.undefined({ error: "is not supported by this version" }).optional();
const changes = settings
  .partial()
  .extend({ robot_tokens: unsupported, anonymous_pull: unsupported, repository_prefixes: unsupported })
  .openapi({ type: "object" });

const organization = settings.extend({ name: z.string(), created: z.iso.datetime() }).openapi("Organization");

const created = createRoute({
  method: "post",
  path: "/organization",
  summary: "Create an organization",
  request: { body: body(z.object({ name: z.string().max(1024), email: settings.shape.email.optional() })) },
  responses: { 201: json(organization, "The organization"), ...refusals },
});

const listed = createRoute({
  method: "get",
  path: "/organization",
  summary: "List organizations",
  request: { query: pageQuery },
  responses: {
    200: json(z.object({ organizations: z.array(organization), next_page: z.string().optional() }), "One page"),
    ...refusals,
  },
});

const got = createRoute({
  method: "get",
  path: "/organization/{org}",
  summary: "Get an organization",
  request: { params: organizationParam },
  responses: { 200: json(organization, "The organization"), ...refusals },
});

const changed = (method: "patch" | "put") =>
  createRoute({
    method,
    path: "/organization/{org}",
    summary: "Change the settings that are given",
    request: { params: organizationParam, body: body(changes) },
    responses: { 200: json(organization, "The organization"), ...refusals },
  });

const deleted = createRoute({
  method: "delete",
  path: "/organization/{org}",
  summary: "Delete an organization with its robots; its name stays taken",
  request: { params: organizationParam },
  responses: { 204: { description: "Deleted" }, ...refusals },
});

export function organizationRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(created, async (c) => {
    const { name, email } = c.req.valid("json");
    return c.json(present(await createOrganization(deps, actorOf(c), { name, email: email ?? null })), 201);
  });
  api.openapi(listed, async (c) => {
    const { limit, next_page: after } = c.req.valid("query");
    const { items, next } = await pageOrganizations(deps, actorOf(c), { after, limit });
    return c.json({ organizations: items.map(present), ...(next !== undefined && { next_page: next }) }, 200);
  });
  api.openapi(got, async (c) => {
    return c.json(present(await getOrganization(deps, actorOf(c), c.req.valid("param").org)), 200);
  });
  for (const method of ["patch", "put"] as const) {
    api.openapi(changed(method), async (c) => {
      const { email, audiences, clients } = c.req.valid("json");
      const change = {
        ...(email !== undefined && { email }),
        ...(audiences !== undefined && { audiences }),
        ...(clients !== undefined && { clients }),
      };
      return c.json(present(await changeOrganization(deps, actorOf(c), c.req.valid("param").org, change)), 200);
    });
  }
  api.openapi(deleted, async (c) => {
    await deleteOrganization(deps, actorOf(c), c.req.valid("param").org);
    return c.body(null, 204);
  });
  return api;
}

function present({ name, email, audiences, clients, createdAt }: Organization): z.infer<typeof organization> {
  return {
    name,
    email,
    audiences: audiences && [...audiences],
    clients: clients && [...clients],
    created: createdAt.toISOString(),
  };
}
