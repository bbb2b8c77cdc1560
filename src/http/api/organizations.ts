import type { Deps } from "../../deps.ts";
import { namePatterns } from "../../domain/names.ts";
import { limits } from "../../limits.ts";
import {
  createOrganization,
  deleteOrganization,
  getOrganization,
  pageOrganizations,
} from "../../services/manage-organizations.ts";
import { changeOrganization, type OrganizationSettings } from "../../services/organization-settings.ts";
import { viewOfOrganization } from "../../services/views.ts";
import { allWithSettings, type OrganizationWithSettings, withSettings } from "../../services/with-settings.ts";
import { putEntityTag } from "./conditions.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { formed, line, names, organizationParam, pageQuery } from "./schemas.ts";

export const organizationSettings = z.object({
  email: line(320).nullable(),
  audiences: names(limits.binding.audiences).openapi({
    description: "Audiences that a token may be meant for where its binding names none; null: the service's own",
  }),
  clients: names(limits.binding.clients).openapi({
    description: "Clients that a token may have been issued to where its binding names none; null: any",
  }),
  robot_tokens: z.enum(["on_create", "on_request", "never"]).openapi({
    description: "When a robot gets a static token; `never` ends those that there are",
  }),
  anonymous_pull: z
    .array(
      z.strictObject({
        registry: z
          .string()
          .max(255)
          .optional()
          .openapi({ description: "Its `service`; absent: the default registry" }),
        repository: formed(limits.repositoryName + 2, { pattern: namePatterns.repositories }, "acme/public/*"),
      }),
    )
    .max(limits.organization.anonymousPulls)
    .openapi({ description: "What anybody may pull: names of the organization's own, or prefixes ending in /*" }),
  repository_prefixes: z
    .array(formed(limits.repositoryName + 2, { pattern: namePatterns.prefix }))
    .max(limits.organization.repositoryPrefixes)
    .openapi({
      description:
        "Further names that are the organization's own: `legacy` with all below it, or only what is below `legacy/*`",
    }),
});

const changes = organizationSettings.partial();

const organization = organizationSettings
  .extend({ name: z.string(), created: z.iso.datetime() })
  .openapi("Organization");

const created = createRoute({
  method: "post",
  path: "/organization",
  summary: "Create an organization",
  request: { body: body(z.object({ name: z.string().max(1024), email: organizationSettings.shape.email.optional() })) },
  responses: { 201: tagged(organization, "The organization") },
});

const listed = createRoute({
  method: "get",
  path: "/organization",
  operationId: "getOrganizations",
  summary: "List organizations",
  request: { query: pageQuery },
  responses: {
    200: json(z.object({ organizations: z.array(organization), next_page: z.string().optional() }), "One page"),
  },
});

const got = createRoute({
  method: "get",
  path: "/organization/{org}",
  summary: "Get an organization",
  request: { params: organizationParam },
  responses: { 200: tagged(organization, "The organization") },
});

const changed = (method: "patch" | "put") =>
  createRoute({
    method,
    path: "/organization/{org}",
    summary: "Change the settings that are given",
    request: { params: organizationParam, body: body(changes) },
    responses: { 200: tagged(organization, "The organization") },
  });

const deleted = createRoute({
  method: "delete",
  path: "/organization/{org}",
  summary: "Delete an organization with its robots; its name stays taken",
  request: { params: organizationParam },
  responses: { 204: { description: "Deleted" } },
});

export function organizationRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(created, async (c) => {
    const { name, email } = c.req.valid("json");
    const made = await createOrganization(deps, actorOf(c), { name, email: email ?? null });
    await putEntityTag(c, viewOfOrganization(made));
    return c.json(present(made), 201);
  });
  api.openapi(listed, async (c) => {
    const { limit, next_page: after } = c.req.valid("query");
    const { items, next } = await pageOrganizations(deps, actorOf(c), { after, limit });
    const organizations = (await allWithSettings(deps.db, items)).map(present);
    return c.json({ organizations, ...(next !== undefined && { next_page: next }) }, 200);
  });
  api.openapi(got, async (c) => {
    const found = await withSettings(deps.db, await getOrganization(deps, actorOf(c), c.req.valid("param").org));
    await putEntityTag(c, viewOfOrganization(found));
    return c.json(present(found), 200);
  });
  for (const method of ["patch", "put"] as const) {
    api.openapi(changed(method), async (c) => {
      const change = toOrganizationSettings(c.req.valid("json"));
      const stored = await changeOrganization(deps, actorOf(c), c.req.valid("param").org, change);
      await putEntityTag(c, viewOfOrganization(stored));
      return c.json(present(stored), 200);
    });
  }
  api.openapi(deleted, async (c) => {
    await deleteOrganization(deps, actorOf(c), c.req.valid("param").org);
    return c.body(null, 204);
  });
  return api;
}

/** The settings that were sent, and no others. */
export function toOrganizationSettings(sent: z.infer<typeof changes>): OrganizationSettings {
  const { email, audiences, clients, robot_tokens, anonymous_pull, repository_prefixes } = sent;
  return {
    ...(email !== undefined && { email }),
    ...(audiences !== undefined && { audiences }),
    ...(clients !== undefined && { clients }),
    ...(robot_tokens && { robotTokens: robot_tokens }),
    ...(anonymous_pull && { anonymousPull: anonymous_pull }),
    ...(repository_prefixes && { repositoryPrefixes: repository_prefixes }),
  };
}

function present(one: OrganizationWithSettings): z.infer<typeof organization> {
  const { name, createdAt } = one.organization;
  return { name, ...viewOfOrganization(one), created: createdAt.toISOString() };
}
