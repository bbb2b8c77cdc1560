import type { Deps } from "../../deps.ts";
import { type Binding, bindingWarnings, type Condition } from "../../domain/binding.ts";
import type { FederationEntry } from "../../domain/federation.ts";
import { presetOf, presetWarnings } from "../../domain/presets.ts";
import { limits } from "../../limits.ts";
import {
  clearFederation,
  getFederation,
  putFederation,
  type StoredFederation,
} from "../../services/manage-federation.ts";
import type { BindingRecord } from "../../store/bindings.ts";
import { actorOf, body, createApi, createRoute, json, refusals, z } from "./route.ts";
import { instant, robotParam } from "./schemas.ts";

const operand = z.string().max(limits.binding.text);
const scalar = z.union([operand, z.number(), z.boolean()]);

const condition = z
  .union(
    [
      z.strictObject({ equals: scalar }),
      z.strictObject({ in: z.array(scalar).max(limits.binding.claimValues) }),
      z.strictObject({ prefix: operand }),
      z.strictObject({ contains: scalar }),
    ],
    { error: "must have exactly one of equals, in, prefix and contains, with a text, a number or true or false" },
  )
  .openapi("Condition");

const names = (max: number) => z.array(operand.min(1)).max(max).nullable();

/** Only `issuer` and `subject` are Quay's; all else makes an entry replace what is stored. */
const terms = z.strictObject({
  issuer: z.string().max(2048).openapi({ example: "https://token.actions.githubusercontent.com" }),
  subject: z.string().max(2048).openapi({ example: "repo:acme/app:ref:refs/heads/main" }),
  audiences: names(limits.binding.audiences).optional(),
  clients: names(limits.binding.clients).optional(),
  claims: z
    .record(operand.min(1), condition)
    .refine((claims) => Object.keys(claims).length <= limits.binding.claims, {
      error: `must have at most ${limits.binding.claims} conditions`,
    })
    .nullable()
    .optional(),
  token_ttl: z.int().min(limits.robotToken.minSeconds).max(limits.robotToken.maxSeconds).nullable().optional(),
  scope: z.string().max(limits.binding.scope).nullable().optional(),
  mode: z.enum(["enforce", "audit"]).optional(),
  api: z.literal(false).optional().openapi({ description: "Management by robot tokens is not supported yet" }),
  expires_at: instant.nullable().optional(),
  description: z.string().max(limits.binding.description).nullable().optional(),
});

/** A list can be sent back as it was read: what the service itself says of a binding is taken and ignored. */
const entry = terms
  .extend({
    id: z.uuid().optional().openapi({ description: "The stored binding that this entry replaces" }),
    isExpanded: z.unknown().optional(),
    issuer_id: z.string().optional(),
    version: z.int().optional(),
    created: z.string().optional(),
    last_used: z.string().nullable().optional(),
    use_count: z.int().optional(),
    warnings: z.array(z.string()).optional(),
  })
  .openapi("FederationEntry");

const binding = terms
  .required()
  .extend({
    id: z.uuid(),
    version: z.int(),
    issuer_id: z.uuid(),
    created: z.iso.datetime(),
    last_used: z.iso.datetime().nullable(),
    use_count: z.int(),
    warnings: z.array(z.string()),
  })
  .openapi("Binding");

const path = "/organization/{org}/robots/{robot}/federation";
const list = z.array(binding);

const got = createRoute({
  method: "get",
  path,
  summary: "Whom a robot trusts",
  request: { params: robotParam },
  responses: { 200: json(list, "The bindings, in the order in which they are tried"), ...refusals },
});

const posted = createRoute({
  method: "post",
  path,
  summary: "Replace whom a robot trusts",
  description:
    "An entry with issuer and subject alone leaves the stored bindings of that pair as they are; one with more replaces it; pairs that are not listed go.",
  request: { params: robotParam, body: body(z.array(entry).max(limits.binding.perRobot)) },
  responses: { 200: json(list, "The bindings as stored"), ...refusals },
});

const deleted = createRoute({
  method: "delete",
  path,
  summary: "Trust nobody",
  request: { params: robotParam },
  responses: { 204: { description: "The robot has no bindings" }, ...refusals },
});

export function federationRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(got, async (c) => {
    const { org, robot } = c.req.valid("param");
    return c.json(presentAll(await getFederation(deps, actorOf(c), { organization: org, robot })), 200);
  });
  api.openapi(posted, async (c) => {
    const { org, robot } = c.req.valid("param");
    const entries = c.req.valid("json").map(toEntry);
    return c.json(presentAll(await putFederation(deps, actorOf(c), { organization: org, robot }, entries)), 200);
  });
  api.openapi(deleted, async (c) => {
    const { org, robot } = c.req.valid("param");
    await clearFederation(deps, actorOf(c), { organization: org, robot });
    return c.body(null, 204);
  });
  return api;
}

function toEntry({ issuer, subject, isExpanded: _, ...rest }: z.infer<typeof entry>): FederationEntry {
  if (Object.keys(rest).length === 0) return { issuer, subject };
  return {
    issuer,
    subject,
    ...(rest.id !== undefined && { id: rest.id }),
    ...(rest.issuer_id !== undefined && { issuerId: rest.issuer_id }),
    terms: {
      issuer,
      subject,
      audiences: rest.audiences ?? null,
      clients: rest.clients ?? null,
      claims: rest.claims ?? null,
      tokenTtl: rest.token_ttl ?? null,
      scope: rest.scope ?? null,
      mode: rest.mode ?? "enforce",
      expiresAt: rest.expires_at == null ? null : Math.floor(Date.parse(rest.expires_at) / 1000),
    },
    description: rest.description ?? null,
  };
}

function presentAll({ bindings, warnings }: StoredFederation): z.infer<typeof binding>[] {
  return bindings.map((one) => present(one, warnings.get(one.id) ?? []));
}

function present(record: BindingRecord, issuerWarnings: readonly string[]): z.infer<typeof binding> {
  return {
    id: record.id,
    version: record.version,
    issuer: record.issuer,
    issuer_id: record.issuerId,
    subject: record.subject,
    audiences: record.audiences && [...record.audiences],
    clients: record.clients && [...record.clients],
    claims: presentClaims(record.claims),
    token_ttl: record.tokenTtl,
    scope: record.scope,
    mode: record.mode,
    api: false,
    expires_at: record.expiresAt === null ? null : new Date(record.expiresAt * 1000).toISOString(),
    description: record.description,
    created: record.createdAt.toISOString(),
    last_used: record.lastUsed?.toISOString() ?? null,
    use_count: record.useCount,
    warnings: [
      ...bindingWarnings(record),
      ...presetWarnings(record, presetOf(record.issuer, record.issuerPreset)),
      ...issuerWarnings,
    ],
  };
}

function presentClaims(claims: Binding["claims"]): Record<string, z.infer<typeof condition>> | null {
  return claims && Object.fromEntries(Object.entries(claims).map(([name, one]) => [name, presentCondition(one)]));
}

function presentCondition(one: Condition): z.infer<typeof condition> {
  return "in" in one ? { in: [...one.in] } : one;
}
