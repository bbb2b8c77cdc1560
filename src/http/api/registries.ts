import type { Context } from "hono";
import type { Deps } from "../../deps.ts";
import { type RegistrySettings, unsetRegistry } from "../../domain/registry-settings.ts";
import { limits } from "../../limits.ts";
import { getRegistryConfig, registryRealm } from "../../services/get-registry-config.ts";
import { turnsAt } from "../../services/key-schedule.ts";
import {
  changeRegistry,
  createRegistry,
  deleteRegistry,
  getRegistry,
  type KnownRegistry,
  pageRegistries,
} from "../../services/manage-registries.ts";
import { registryConfigFormats } from "../../services/registry-config/registry-config.ts";
import { viewOfRegistry } from "../../services/views.ts";
import type { SigningKeyRow } from "../../store/signing-keys.ts";
import { keyProfiles } from "../../tokens/signing-key.ts";
import { putEntityTag } from "./conditions.ts";
import { conflict } from "./describe-route.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { pageQuery } from "./schemas.ts";

const { minSeconds, maxSeconds } = limits.registryToken;
const { maxRotationDays, rotationDays } = limits.keys;

const settings = z.object({
  host: z
    .string()
    .max(limits.name.max)
    .nullable()
    .openapi({ description: "Where clients reach it; null: at its service", example: "registry.example.com" }),
  key_profile: z.enum(keyProfiles).openapi({
    description:
      "How it finds the key of a token. x5c: by the certificate in the token, for Distribution. kid: by name, for a JWKS and for zot; a change holds for the next key, which begins to sign with the next rotation",
  }),
  rotation_days: z
    .int()
    .min(0)
    .max(maxRotationDays)
    .nullable()
    .openapi({
      description: `Days that a signing key is active; null: ${rotationDays.x5c} with x5c, ${rotationDays.kid} with kid; 0, with kid: until it is rotated by hand`,
    }),
  token_ttl: z
    .int()
    .min(minSeconds)
    .max(maxSeconds)
    .nullable()
    .openapi({ description: "Seconds; null: BERTH_REGISTRY_TOKEN_TTL" }),
  issuer: z
    .string()
    .min(1)
    .max(limits.issuer)
    .nullable()
    .openapi({ description: "`iss` of its tokens, where it trusts another token server's; null: PUBLIC_URL" }),
  fallback_realm: z
    .string()
    .max(2048)
    .nullable()
    .openapi({ description: "Token endpoint that answers for users whose name has no +, as people's do" }),
  refresh_tokens: z.boolean().openapi({ description: "Whether clients that ask for one are given a refresh token" }),
});

export const registrySettings = settings.partial();

const signingKey = z.object({
  purpose: z.enum(["signing", "authority"]),
  status: z.enum(["next", "active", "retired", "revoked"]),
  profile: z.enum(keyProfiles).nullable(),
  kid: z.string(),
  created: z.iso.datetime(),
  activated: z.iso.datetime().nullable(),
  retired: z.iso.datetime().nullable(),
  rotates: z.iso.datetime().nullable().openapi({ description: "When the next one takes its place by itself" }),
  not_after: z.iso.datetime().nullable().openapi({ description: "Of its certificate" }),
});

export const registry = settings
  .extend({
    service: z.string().openapi({ example: "registry.example.com" }),
    default: z.boolean(),
    realm: z.string(),
    created: z.iso.datetime(),
    keys: z.array(signingKey),
    warnings: z.array(z.string()),
  })
  .openapi("Registry");

export const serviceParam = z.object({ service: z.string().openapi({ description: "URL-encoded" }) });
const service = z.string().max(1024);

const listed = createRoute({
  method: "get",
  path: "/registries",
  summary: "List registries",
  request: { query: pageQuery },
  responses: {
    200: json(z.object({ registries: z.array(registry), next_page: z.string().optional() }), "One page"),
  },
});

const created = createRoute({
  method: "post",
  path: "/registries",
  summary: "Serve one more registry",
  request: { body: body(registrySettings.extend({ service }).strict()) },
  responses: { 201: tagged(registry, "The registry") },
});

const got = createRoute({
  method: "get",
  path: "/registries/{service}",
  summary: "Get a registry",
  request: { params: serviceParam },
  responses: { 200: tagged(registry, "The registry") },
});

const changed = createRoute({
  method: "patch",
  path: "/registries/{service}",
  summary: "Change the settings that are given",
  request: { params: serviceParam, body: body(registrySettings.strict()) },
  responses: { 200: tagged(registry, "The registry") },
});

const deleted = createRoute({
  method: "delete",
  path: "/registries/{service}",
  summary: "Delete a registry and its keys",
  request: { params: serviceParam, query: z.strictObject({ cascade: z.enum(["true", "false"]).default("false") }) },
  responses: { 204: { description: "Deleted, and with cascade the grants on it" } },
});

const configured = createRoute({
  method: "get",
  path: "/registries/{service}/config/{format}",
  summary: "Configuration that makes a registry trust its tokens",
  request: { params: serviceParam.extend({ format: z.enum(registryConfigFormats) }) },
  responses: {
    200: {
      description: "Ready to use",
      content: {
        "application/yaml": { schema: z.string() },
        "text/plain": { schema: z.string() },
        "application/json": { schema: z.unknown() },
      },
    },
    409: conflict,
  },
});

export function registryApiRoutes(deps: Deps) {
  const api = createApi();
  const answer = (known: KnownRegistry) => presentRegistry(deps, known);
  api.openapi(listed, async (c) => {
    const { limit, next_page: after } = c.req.valid("query");
    const { items, next } = await pageRegistries(deps, actorOf(c), { after, limit });
    return c.json({ registries: items.map(answer), ...(next !== undefined && { next_page: next }) }, 200);
  });
  api.openapi(created, async (c) => {
    const { service: name, ...sent } = c.req.valid("json");
    const made = await createRegistry(deps, actorOf(c), name, { ...unsetRegistry, ...toRegistrySettings(sent) });
    await putEntityTag(c, viewOfRegistry(made.registry));
    return c.json(answer(made), 201);
  });
  api.openapi(got, async (c) => {
    const found = await getRegistry(deps, actorOf(c), c.req.valid("param").service);
    await putEntityTag(c, viewOfRegistry(found.registry));
    return c.json(answer(found), 200);
  });
  api.openapi(changed, async (c) => {
    const change = toRegistrySettings(c.req.valid("json"));
    const stored = await changeRegistry(deps, actorOf(c), c.req.valid("param").service, change);
    await putEntityTag(c, viewOfRegistry(stored.registry));
    return c.json(answer(stored), 200);
  });
  api.openapi(deleted, async (c) => {
    await deleteRegistry(deps, actorOf(c), c.req.valid("param").service, c.req.valid("query").cascade === "true");
    return c.body(null, 204);
  });
  api.openapi(configured, async (c) => {
    const { service: name, format } = c.req.valid("param");
    const { contentType, body: text } = await getRegistryConfig(deps, actorOf(c), name, format);
    return (c as Context).body(text, 200, { "Content-Type": contentType });
  });
  return api;
}

/** The settings that were sent, and no others. */
export function toRegistrySettings(sent: z.infer<typeof registrySettings>): Partial<RegistrySettings> {
  const all = {
    host: sent.host,
    keyProfile: sent.key_profile,
    rotationDays: sent.rotation_days,
    tokenTtl: sent.token_ttl,
    issuer: sent.issuer,
    fallbackRealm: sent.fallback_realm,
    refreshTokens: sent.refresh_tokens,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export function presentRegistry(
  { config }: Pick<Deps, "config">,
  { registry: row, keys, warnings }: KnownRegistry,
): z.infer<typeof registry> {
  return {
    ...viewOfRegistry(row),
    default: row.isDefault,
    realm: registryRealm(config),
    created: row.createdAt.toISOString(),
    keys: keys.map((key) => presentKey(row, key)),
    warnings: [...warnings],
  };
}

function presentKey(owner: KnownRegistry["registry"], row: SigningKeyRow): z.infer<typeof signingKey> {
  return {
    purpose: row.purpose === "registry_authority" ? "authority" : "signing",
    status: row.status,
    profile: row.profile,
    kid: row.kid,
    created: row.createdAt.toISOString(),
    activated: row.activatedAt?.toISOString() ?? null,
    retired: row.retiredAt?.toISOString() ?? null,
    rotates: turnsAt(owner, row)?.toISOString() ?? null,
    not_after: row.notAfter?.toISOString() ?? null,
  };
}
