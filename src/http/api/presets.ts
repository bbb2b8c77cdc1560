import type { Deps } from "../../deps.ts";
import type { Preset } from "../../domain/preset.ts";
import { presets } from "../../domain/presets.ts";
import { createApi, createRoute, json, z } from "./route.ts";
import { metadata } from "./schemas.ts";

const texts = z.array(z.string()).readonly();
const scalar = z.union([z.string(), z.number(), z.boolean()]);

const preset = z
  .object({
    id: z.string().openapi({ example: "github-actions" }),
    name: z.string(),
    issuers: texts.openapi({ description: "Forms of the issuer; none where any URL may be one" }),
    shared: z
      .boolean()
      .openapi({ description: "Whether strangers share the issuer, so that a binding must name a tenant" }),
    anchors: z
      .object({ claims: texts, paths: texts, subjects: texts })
      .openapi({ description: "What names a tenant: claims, claims that begin with it, beginnings of a subject" }),
    immutable_ids: texts,
    replay_protection: z.boolean(),
    audience: z.string(),
    claims: texts.openapi({ description: "Kept with the record of an exchange" }),
    guarded: z
      .object({ claim: z.string(), values: z.array(scalar).readonly() })
      .nullable()
      .openapi({ description: "Refused unless a condition of the binding names it" }),
    example: z.object({
      issuer: z.string(),
      subject: z.string(),
      audiences: texts.optional(),
      clients: texts.optional(),
      claims: metadata.optional(),
    }),
    documentation: z.url(),
  })
  .openapi("Preset");

const listed = createRoute({
  method: "get",
  path: "/presets",
  summary: "CI providers, and what makes a binding for each of them safe",
  responses: { 200: json(z.object({ presets: z.array(preset) }), "The providers") },
});

export function presetRoutes(_: Deps) {
  return createApi().openapi(listed, (c) => c.json({ presets: presets.map(present) }, 200));
}

function present({ immutableIds, replayProtection, guarded, ...rest }: Preset) {
  return { ...rest, immutable_ids: immutableIds, replay_protection: replayProtection, guarded: guarded ?? null };
}
