import type { Deps } from "../../deps.ts";
import { type IssuerSettings, unsetIssuer } from "../../domain/issuer-settings.ts";
import { limits } from "../../limits.ts";
import type { IssuerKey } from "../../oidc/issuer-key.ts";
import type { IssuerState } from "../../oidc/issuers.ts";
import { signatureAlgorithms } from "../../oidc/token-shape.ts";
import { defaultAlgorithms } from "../../oidc/verify.ts";
import {
  changeIssuer,
  deleteIssuer,
  getIssuer,
  type KnownIssuer,
  pageIssuers,
  refreshIssuer,
  registerIssuer,
} from "../../services/manage-issuers.ts";
import { viewOfIssuer } from "../../services/views.ts";
import { putEntityTag } from "./conditions.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { formed, line, metadata, names, pageByIdQuery } from "./schemas.ts";

const { min: minAge, max: maxAge } = limits.token.maxLifetimeSeconds;

const settings = z.object({
  name: line(limits.name.max).min(1).nullable().openapi({ example: "build cluster" }),
  preset: z.string().max(limits.name.max).nullable().openapi({ description: "Id of a preset; null: by the URL" }),
  jwks: z
    .object({ keys: z.array(metadata).min(1).max(limits.issuerFetch.keys) })
    .nullable()
    .openapi({ description: "Public keys (RFC 7517 §5) of an issuer that is then never asked for any" }),
  jwks_uri: z.string().max(2048).nullable().openapi({ description: "Where its keys are; null: as discovery says" }),
  ca_pem: z
    .string()
    .max(limits.issuerSettings.caPem)
    .nullable()
    .openapi({ description: "Certificate authorities to trust for it instead of the platform's" }),
  algorithms: z
    .array(z.enum(signatureAlgorithms))
    .min(1)
    .nullable()
    .openapi({ description: "What it may sign with; null: RS256 and ES256" }),
  allow_private_network: z.boolean().openapi({ description: "Whether it may be on a private network" }),
  max_token_age: z
    .int()
    .min(minAge)
    .max(maxAge)
    .nullable()
    .openapi({ description: "Seconds from iat to exp; null: a day" }),
  replay_protection: z
    .boolean()
    .nullable()
    .openapi({ description: "Whether a token is good once for each robot; null: as the preset has it" }),
  audiences: names(limits.binding.audiences),
  clients: names(limits.binding.clients),
  disabled: z.boolean(),
});

export const issuerSettings = settings.partial();
export const issuerString = formed(
  2048,
  { minLength: 1, maxLength: limits.issuer },
  "https://kubernetes.default.svc.cluster.local",
);
const issuer = settings
  .extend({
    id: z.uuid(),
    issuer: z.string(),
    registered: z.boolean().openapi({ description: "Whether a superuser registered it; others a binding opened" }),
    created: z.iso.datetime(),
    warnings: z.array(z.string()),
  })
  .openapi("Issuer");

const issuerParam = z.object({ id: z.uuid() });

const registered = createRoute({
  method: "post",
  path: "/issuers",
  summary: "Register an issuer",
  request: { body: body(issuerSettings.extend({ issuer: issuerString }).strict()) },
  responses: { 201: tagged(issuer, "The issuer") },
});

const listed = createRoute({
  method: "get",
  path: "/issuers",
  summary: "List issuers",
  request: { query: pageByIdQuery.extend({ issuer: issuerString.optional() }) },
  responses: {
    200: json(z.object({ issuers: z.array(issuer), next_page: z.string().optional() }), "One page"),
  },
});

const got = createRoute({
  method: "get",
  path: "/issuers/{id}",
  summary: "Get an issuer",
  request: { params: issuerParam },
  responses: { 200: tagged(issuer, "The issuer") },
});

const changed = createRoute({
  method: "patch",
  path: "/issuers/{id}",
  summary: "Change the settings that are given",
  description: "What was learned of its keys is forgotten at once. An issuer that a binding opened is then registered.",
  request: { params: issuerParam, body: body(issuerSettings.strict()) },
  responses: { 200: tagged(issuer, "The issuer") },
});

const deleted = createRoute({
  method: "delete",
  path: "/issuers/{id}",
  summary: "Delete an issuer",
  request: { params: issuerParam, query: z.strictObject({ cascade: z.enum(["true", "false"]).default("false") }) },
  responses: { 204: { description: "Deleted, and with cascade the bindings to it" } },
});

const key = z.object({
  kid: z.string(),
  kty: z.string().nullable(),
  problems: z
    .record(z.string(), z.string())
    .openapi({ description: "Why it cannot be used, by the algorithms that the issuer may sign with" }),
});

const refreshed = createRoute({
  method: "post",
  path: "/issuers/{id}/refresh",
  summary: "Ask an issuer for its keys now",
  request: { params: issuerParam },
  responses: {
    200: json(z.object({ keys: z.array(key) }), "Its keys"),
  },
});

export function issuerRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(registered, async (c) => {
    const { issuer: string, ...sent } = c.req.valid("json");
    const made = await registerIssuer(deps, actorOf(c), string, { ...unsetIssuer, ...toIssuerSettings(sent) });
    await putEntityTag(c, viewOfIssuer(made.issuer));
    return c.json(present(made), 201);
  });
  api.openapi(listed, async (c) => {
    const { limit, next_page: after, issuer: string } = c.req.valid("query");
    const { items, next } = await pageIssuers(deps, actorOf(c), { limit, after, issuer: string });
    return c.json({ issuers: items.map(present), ...(next !== undefined && { next_page: next }) }, 200);
  });
  api.openapi(got, async (c) => {
    const found = await getIssuer(deps, actorOf(c), c.req.valid("param").id);
    await putEntityTag(c, viewOfIssuer(found.issuer));
    return c.json(present(found), 200);
  });
  api.openapi(changed, async (c) => {
    const change = toIssuerSettings(c.req.valid("json"));
    const stored = await changeIssuer(deps, actorOf(c), c.req.valid("param").id, change);
    await putEntityTag(c, viewOfIssuer(stored.issuer));
    return c.json(present(stored), 200);
  });
  api.openapi(deleted, async (c) => {
    await deleteIssuer(deps, actorOf(c), c.req.valid("param").id, c.req.valid("query").cascade === "true");
    return c.body(null, 204);
  });
  api.openapi(refreshed, async (c) => {
    const { issuer: refreshedIssuer, state } = await refreshIssuer(deps, actorOf(c), c.req.valid("param").id);
    return c.json({ keys: presentKeys(refreshedIssuer, state) }, 200);
  });
  return api;
}

type Sent = z.infer<typeof issuerSettings>;

/** The settings that were sent, and no others. */
export function toIssuerSettings(sent: Sent): Partial<IssuerSettings> {
  const { jwks_uri, ca_pem, allow_private_network, max_token_age, replay_protection, ...rest } = sent;
  const all = {
    ...rest,
    jwksUri: jwks_uri,
    caPem: ca_pem,
    allowPrivateNetwork: allow_private_network,
    maxTokenAge: max_token_age,
    replayProtection: replay_protection,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function present({ issuer: row, warnings }: KnownIssuer): z.infer<typeof issuer> {
  return { id: row.id, ...viewOfIssuer(row), created: row.createdAt.toISOString(), warnings: [...warnings] };
}

function presentKeys({ algorithms }: KnownIssuer["issuer"], { keys }: IssuerState): z.infer<typeof key>[] {
  return [...keys].map(([kid, one]) => ({
    kid,
    kty: one?.jwk.kty ?? null,
    problems: one ? problemsOf(one, algorithms ?? defaultAlgorithms) : { all: "its kid is another key's too" },
  }));
}

function problemsOf(one: IssuerKey, algorithms: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    algorithms.flatMap((alg) => {
      const problem = one.problem(alg);
      return problem === undefined ? [] : [[alg, problem]];
    }),
  );
}
