import type { Deps } from "../../deps.ts";
import { freeName, pageDeletedOrganizations } from "../../services/deleted-organizations.ts";
import { actorOf, createApi, createRoute, json, z } from "./route.ts";
import { organizationParam, pageQuery } from "./schemas.ts";

const deletedOrganization = z
  .object({ name: z.string(), created: z.iso.datetime(), deleted: z.iso.datetime() })
  .openapi("DeletedOrganization");

const listed = createRoute({
  method: "get",
  path: "/deleted-organizations",
  operationId: "getDeletedOrganizations",
  summary: "List deleted organizations, whose names are still taken",
  request: { query: pageQuery },
  responses: {
    200: json(
      z.object({ deleted_organizations: z.array(deletedOrganization), next_page: z.string().optional() }),
      "One page, by name",
    ),
  },
});

const freed = createRoute({
  method: "delete",
  path: "/deleted-organizations/{org}",
  operationId: "freeName",
  summary: "Free the name of a deleted organization",
  description:
    "Whoever is given the name next owns what is left under it in the registries, and no robot of anybody else may hold a grant on that.",
  request: { params: organizationParam },
  responses: { 204: { description: "Free" } },
});

export function deletedOrganizationRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(listed, async (c) => {
    const { limit, next_page: after } = c.req.valid("query");
    const { items, next } = await pageDeletedOrganizations(deps, actorOf(c), { after, limit });
    const organizations = items.map(({ name, createdAt, deletedAt }) => ({
      name,
      created: createdAt.toISOString(),
      deleted: deletedAt.toISOString(),
    }));
    return c.json({ deleted_organizations: organizations, ...(next !== undefined && { next_page: next }) }, 200);
  });
  api.openapi(freed, async (c) => {
    await freeName(deps, actorOf(c), c.req.valid("param").org);
    return c.body(null, 204);
  });
  return api;
}
