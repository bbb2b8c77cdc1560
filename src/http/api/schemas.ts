import { z } from "@hono/zod-openapi";
import { limits } from "../../limits.ts";

/** Deeper than anything that people keep beside a robot. */
const METADATA_DEPTH = 16;

/**
 * The shapes that several routes share. Texts are checked for what the database cannot hold: NUL, and
 * halves of surrogate pairs.
 */
export function text(max: number) {
  return z.string().max(max).refine(isStorable, { error: "must not hold NUL or half of a surrogate pair" });
}

/** A JSON object to be kept as it is. */
export const metadata = z
  .record(z.string(), z.unknown())
  .refine((value) => isStorableJson(value, 1), {
    error: `must be nested at most ${METADATA_DEPTH} deep, and hold neither NUL nor half of a surrogate pair`,
  })
  .openapi({ type: "object", additionalProperties: true });

export const organizationParam = z.object({ org: z.string().openapi({ example: "acme" }) });
export const robotParam = organizationParam.extend({ robot: z.string().openapi({ example: "ci" }) });

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(limits.page.max).default(limits.page.default),
  next_page: z.string().max(1024).default("").openapi({ description: "`next_page` of the page before" }),
});

export const errorBody = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    error_type: z.string(),
    error_message: z.string(),
    code: z.string(),
    request_id: z.string(),
    errors: z.array(z.object({ path: z.array(z.union([z.string(), z.int()])), message: z.string() })),
  })
  .openapi("Error", { description: "RFC 9457 problem details, with Quay's members beside them" });

function isStorable(value: string): boolean {
  return !value.includes("\u0000") && value.isWellFormed();
}

function isStorableJson(value: unknown, depth: number): boolean {
  if (typeof value === "string") return isStorable(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth > METADATA_DEPTH) return false;
  return Object.entries(value).every(([name, member]) => isStorable(name) && isStorableJson(member, depth + 1));
}
