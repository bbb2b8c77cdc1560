import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import {
  changePrincipal,
  createPrincipal,
  deletePrincipal,
  getPrincipal,
  type KnownPrincipal,
  type PrincipalSettings,
  pagePrincipals,
} from "../../services/manage-principals.ts";
import { viewOfPrincipal } from "../../services/views.ts";
import { putEntityTag } from "./conditions.ts";
import { organizationRole } from "./members.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { pageQuery, prose } from "./schemas.ts";

export const principalSettings = z.strictObject({
  description: prose(limits.binding.description),
  super_user: z
    .union([z.boolean(), z.literal("read_only")])
    .openapi({ description: "true: may do all; read_only: sees all; false: what its roles say" }),
  roles: z.record(z.string().max(limits.name.max), organizationRole).openapi({ description: "By organization" }),
});

const someSettings = principalSettings.partial();

const principal = z
  .object(principalSettings.shape)
  .extend({ name: z.string(), kind: z.literal("service"), created: z.iso.datetime() })
  .openapi("Principal");

export const principalParam = z.object({ principal: z.string().openapi({ example: "terraform" }) });

const created = createRoute({
  method: "post",
  path: "/principals",
  summary: "Let somebody manage",
  request: {
    body: body(someSettings.extend({ name: z.string().max(1024), kind: z.literal("service").optional() })),
  },
  responses: { 201: tagged(principal, "The principal, which has no token yet") },
});

const listed = createRoute({
  method: "get",
  path: "/principals",
  summary: "Who may manage",
  request: { query: pageQuery },
  responses: {
    200: json(z.object({ principals: z.array(principal), next_page: z.string().optional() }), "One page, by name"),
  },
});

const got = createRoute({
  method: "get",
  path: "/principals/{principal}",
  summary: "Get a principal",
  request: { params: principalParam },
  responses: { 200: tagged(principal, "The principal") },
});

const changed = createRoute({
  method: "patch",
  path: "/principals/{principal}",
  summary: "Change what is given; roles as a whole",
  request: { params: principalParam, body: body(someSettings) },
  responses: { 200: tagged(principal, "The principal") },
});

const deleted = createRoute({
  method: "delete",
  path: "/principals/{principal}",
  summary: "Delete a principal with its tokens and roles; what it made stays",
  request: { params: principalParam },
  responses: { 204: { description: "Deleted" } },
});

const NOTHING: PrincipalSettings = { description: "", superUser: false, roles: {} };

export function principalRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(created, async (c) => {
    const { name, kind: _, ...sent } = c.req.valid("json");
    const made = await createPrincipal(deps, actorOf(c), name, { ...NOTHING, ...toPrincipalSettings(sent) });
    await putEntityTag(c, viewOfPrincipal(made));
    return c.json(present(made), 201);
  });
  api.openapi(listed, async (c) => {
    const { limit, next_page: after } = c.req.valid("query");
    const { items, next } = await pagePrincipals(deps, actorOf(c), { after, limit });
    return c.json({ principals: items.map(present), ...(next !== undefined && { next_page: next }) }, 200);
  });
  api.openapi(got, async (c) => {
    const found = await getPrincipal(deps, actorOf(c), c.req.valid("param").principal);
    await putEntityTag(c, viewOfPrincipal(found));
    return c.json(present(found), 200);
  });
  api.openapi(changed, async (c) => {
    const change = toPrincipalSettings(c.req.valid("json"));
    const stored = await changePrincipal(deps, actorOf(c), c.req.valid("param").principal, change);
    await putEntityTag(c, viewOfPrincipal(stored));
    return c.json(present(stored), 200);
  });
  api.openapi(deleted, async (c) => {
    await deletePrincipal(deps, actorOf(c), c.req.valid("param").principal);
    return c.body(null, 204);
  });
  return api;
}

type Sent = z.infer<typeof someSettings>;

/** The settings that were sent, and no others. */
export function toPrincipalSettings({ description, super_user: superUser, roles }: Sent): Partial<PrincipalSettings> {
  return {
    ...(description !== undefined && { description }),
    ...(superUser !== undefined && { superUser }),
    ...(roles !== undefined && { roles }),
  };
}

function present(known: KnownPrincipal): z.infer<typeof principal> {
  return { ...viewOfPrincipal(known), created: known.principal.createdAt.toISOString() };
}
