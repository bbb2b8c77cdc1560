import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import {
  createToken,
  deleteToken,
  getToken,
  type KnownApiToken,
  listTokens,
} from "../../services/manage-api-tokens.ts";
import { viewOfApiToken } from "../../services/views.ts";
import { principalParam } from "./principals.ts";
import { actorOf, body, createApi, createRoute, json, z } from "./route.ts";
import { instant, line } from "./schemas.ts";

const terms = z.strictObject({
  name: line(limits.apiTokenName).min(1).openapi({ example: "terraform-cloud" }),
  read_only: z.boolean().openapi({ description: "Whether it changes nothing, whatever its principal may" }),
  organizations: z
    .array(z.string().max(limits.name.max))
    .min(1)
    .max(limits.apiTokenOrganizations)
    .nullable()
    .openapi({ description: "The only ones that it is good for; null: all that its principal may" }),
  expires_at: instant.nullable().openapi({ description: "null: when it is ended" }),
});

const apiToken = z
  .object(terms.shape)
  .extend({
    id: z.uuid(),
    organizations: z.array(z.string()).nullable(),
    created: z.iso.datetime(),
    created_by: z.string(),
    last_used: z.iso.datetime().nullable().openapi({ description: "To the minute" }),
    token: z.string().nullable().openapi({ description: "In the one reply that makes it" }),
  })
  .openapi("ApiToken");

const created = createRoute({
  method: "post",
  path: "/principals/{principal}/tokens",
  summary: "Make an API token, shown in this one reply",
  description: "A principal may make its own. A token makes none that can do, or lasts, more than itself.",
  request: { params: principalParam, body: body(terms.partial().extend({ name: terms.shape.name }).strict()) },
  responses: { 201: json(apiToken, "The token") },
});

const listed = createRoute({
  method: "get",
  path: "/principals/{principal}/tokens",
  summary: "The API tokens of a principal",
  request: { params: principalParam },
  responses: { 200: json(z.object({ tokens: z.array(apiToken) }), "By name") },
});

const tokenParam = principalParam.extend({ id: z.uuid() });

const got = createRoute({
  method: "get",
  path: "/principals/{principal}/tokens/{id}",
  summary: "Get an API token, without its secret",
  request: { params: tokenParam },
  responses: { 200: json(apiToken, "The token") },
});

const deleted = createRoute({
  method: "delete",
  path: "/principals/{principal}/tokens/{id}",
  summary: "End an API token at once",
  request: { params: tokenParam },
  responses: { 204: { description: "Ended" } },
});

export function apiTokenRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(created, async (c) => {
    const { name, read_only = false, organizations = null, expires_at = null } = c.req.valid("json");
    const made = await createToken(deps, actorOf(c), c.req.valid("param").principal, {
      name,
      readOnly: read_only,
      organizations,
      expiresAt: expires_at === null ? null : new Date(expires_at),
    });
    return c.json(present(made), 201);
  });
  api.openapi(listed, async (c) => {
    const tokens = await listTokens(deps, actorOf(c), c.req.valid("param").principal);
    return c.json({ tokens: tokens.map(present) }, 200);
  });
  api.openapi(got, async (c) => {
    const { principal, id } = c.req.valid("param");
    return c.json(present(await getToken(deps, actorOf(c), principal, id)), 200);
  });
  api.openapi(deleted, async (c) => {
    const { principal, id } = c.req.valid("param");
    await deleteToken(deps, actorOf(c), principal, id);
    return c.body(null, 204);
  });
  return api;
}

function present({ token, organizations, secret }: KnownApiToken): z.infer<typeof apiToken> {
  return {
    id: token.id,
    ...viewOfApiToken(token, organizations),
    created: token.createdAt.toISOString(),
    created_by: token.createdBy,
    last_used: token.lastUsed?.toISOString() ?? null,
    token: secret?.reveal() ?? null,
  };
}
