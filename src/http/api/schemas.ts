import { z } from "@hono/zod-openapi";
import { isLine, isProse } from "../../domain/text.ts";
import { limits } from "../../limits.ts";
import { readCursor } from "../../services/page.ts";

/** Text that is shown on one line. */
export const line = (max: number) =>
  z.string().max(max).refine(isLine, { error: "must be on one line, with no control characters" });

/** Text that people write for people. */
export const prose = (max: number) =>
  z.string().max(max).refine(isProse, { error: "must hold no control characters but tabs and ends of lines" });

interface Form {
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** Text whose form the services check, with all else that only they can know: schemas say it to editors and clients. */
export const formed = (max: number, form: Form, example?: string) =>
  z
    .string()
    .max(max)
    .openapi(example === undefined ? {} : { example })
    .meta({ ...form });

/** What tokens are meant for, or issued to. */
export const names = (max: number) => z.array(line(limits.binding.text).min(1)).max(max).nullable();

/** A JSON object to be kept as it is. */
export const metadata = z.record(z.string(), z.unknown()).openapi({ type: "object", additionalProperties: true });

const { bytes, depth } = limits.robotMetadata;

/** The same beside a robot, of a size that lists of robots can bear. */
export const robotMetadata = metadata
  .refine((kept) => new TextEncoder().encode(JSON.stringify(kept)).length <= bytes, {
    error: `must have at most ${bytes} bytes of JSON`,
  })
  .refine((kept) => depthOf(kept) <= depth, { error: `must not be nested deeper than ${depth}` })
  .openapi({ type: "object", additionalProperties: true });

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Object.values(value).reduce<number>((deepest, member) => Math.max(deepest, depthOf(member)), 0);
}

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
