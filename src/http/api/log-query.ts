import { limits } from "../../limits.ts";
import type { AuditQuery } from "../../services/audit-log.ts";
import { z } from "./route.ts";
import { instant, lastInstant, pageQuery } from "./schemas.ts";

const DAY = /^(\d\d)\/(\d\d)\/(\d{4})$/;
const DAY_MILLISECONDS = 24 * 3600 * 1000;

const day = z
  .string()
  .regex(DAY)
  .refine((text) => instant.safeParse(startOfDay(text)).success)
  .openapi({ description: "A whole day in UTC, as Quay's clients name one", example: "12/31/2026" });
const time = z.union([instant, day], {
  error: "must be a time such as 2026-12-31T23:59:59Z (RFC 3339), or a day such as 12/31/2026, between 1970 and 9999",
});

export const logQuery = pageQuery.extend({
  limit: pageQuery.shape.limit
    .unwrap()
    .optional()
    .openapi({ description: `Absent: ${limits.page.default}; of a stream, all` }),
  kind: z.string().max(255).optional(),
  robot: z.string().max(1024).optional().openapi({ description: "In full", example: "acme+ci" }),
  actor: z.string().max(1024).optional().openapi({ description: "Who did it: a principal, or a robot in full" }),
  performer: z.string().max(1024).optional().openapi({ description: "The same, as Quay's clients have it" }),
  outcome: z.enum(["success", "refused"]).optional(),
  request_id: z.string().max(255).optional(),
  starttime: time.optional().openapi({ description: "Then and later" }),
  endtime: time.optional().openapi({ description: "Earlier than then; a day is included" }),
});

export const wholeLogQuery = logQuery.extend({
  organization: z.string().max(255).optional().openapi({ description: "Its name, whoever had it" }),
});

export function toFilter(sent: z.infer<typeof wholeLogQuery>): AuditQuery["filter"] {
  const { organization, kind, robot, actor = sent.performer, outcome, request_id, starttime, endtime } = sent;
  return {
    ...(organization !== undefined && { organization }),
    ...(kind !== undefined && { kind }),
    ...(robot !== undefined && { robot: readName(robot) }),
    ...(actor !== undefined && { actor: readName(actor) }),
    ...(outcome !== undefined && { outcome }),
    ...(request_id !== undefined && { requestId: request_id }),
    ...(starttime !== undefined && { from: new Date(startOfDay(starttime)) }),
    ...(endtime !== undefined && { to: endOf(endtime) }),
  };
}

/** A query is a form, where a plus that was not encoded has become a space. */
function readName(text: string): string {
  return text.replace(" ", "+");
}

function endOf(text: string): Date {
  const start = Date.parse(startOfDay(text));
  return new Date(DAY.test(text) ? Math.min(start + DAY_MILLISECONDS, lastInstant) : start);
}

/** Of a day; an instant is passed on. */
function startOfDay(text: string): string {
  return text.replace(DAY, "$3-$1-$2T00:00:00Z");
}
