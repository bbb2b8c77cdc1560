import type { Binding, BindingTerms, Condition } from "../../domain/binding.ts";
import { bindingWarnings } from "../../domain/binding.ts";
import { presetOf, presetWarnings } from "../../domain/presets.ts";
import { limits } from "../../limits.ts";
import type { BindingRecord } from "../../store/bindings.ts";
import { z } from "./route.ts";
import { formed, instant, names, prose } from "./schemas.ts";

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

/** Only `issuer` and `subject` are Quay's; all else makes an entry replace what is stored. */
export const terms = z.strictObject({
  issuer: formed(2048, { minLength: 1, maxLength: limits.issuer }, "https://token.actions.githubusercontent.com"),
  subject: formed(2048, { minLength: 1, maxLength: limits.subject }, "repo:acme/app:ref:refs/heads/main"),
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
  api: z.boolean().optional().openapi({
    description: "Whether robot tokens minted by it open /api/v1 too, with the role that the robot holds",
  }),
  expires_at: instant.nullable().optional(),
  description: prose(limits.binding.description).nullable().optional(),
});

export const binding = z
  .object(terms.required().shape)
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

export const someTerms = terms.partial();
type SentTerms = z.infer<typeof someTerms>;

/** The terms that were sent, and no others. */
export function toTerms(sent: SentTerms): Partial<BindingTerms> {
  const { issuer, subject, audiences, clients, claims, scope, mode, api, token_ttl: tokenTtl, expires_at } = sent;
  const expiresAt = expires_at == null ? expires_at : Math.floor(Date.parse(expires_at) / 1000);
  const all = { issuer, subject, audiences, clients, claims, tokenTtl, scope, mode, api, expiresAt };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export function presentBinding(record: BindingRecord, issuerWarnings: readonly string[] = []): z.infer<typeof binding> {
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
    api: record.api,
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
