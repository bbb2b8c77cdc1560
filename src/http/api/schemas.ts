import { z } from "@hono/zod-openapi";
import { limits } from "../../limits.ts";
import { readCursor } from "../../services/page.ts";

/** A JSON object to be kept as it is. */
export const metadata = z.record(z.string(), z.unknown()).openapi({ type: "object", additionalProperties: true });

/** Epoch milliseconds: JavaScript writes years past 9999 its own way. */
export const lastInstant = Date.UTC(9999, 11, 31);

/** RFC 3339. The database knows no year before the first. */
export const instant = z.iso
  .datetime({ offset: true })
  .refine((text) => Date.parse(text) >= 0 && Date.parse(text) <= lastInstant, {
    error: "must lie between the years 1970 and 9999",
  });

export const organizationParam = z.object({ org: z.string().openapi({ example: "acme" }) });
export const robotParam = organizationParam.extend({ robot: z.string().openapi({ example: "ci" }) });

const MADE_UP = "must be the next_page of the page before";

/** Where a page starts; empty: at the beginning. */
const nextPage = z
  .string()
  .max(1024)
  .default("")
  .openapi({ description: "`next_page` of the page before" })
  .transform((cursor, context) => {
    const position = cursor === "" ? "" : readCursor(cursor);
    if (position !== undefined) return position;
    context.addIssue({ code: "custom", message: MADE_UP });
    return z.NEVER;
  });

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(limits.page.max).default(limits.page.default),
  next_page: nextPage,
});

/** The same, of a list in the order of ids. */
export const pageByIdQuery = pageQuery.extend({
  next_page: nextPage
    .refine((position) => position === "" || z.uuid().safeParse(position).success, MADE_UP)
    .transform((position) => position || undefined),
});

export const problem = z
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
  .openapi("Problem", { description: "RFC 9457 problem details, with Quay's members beside them" });
