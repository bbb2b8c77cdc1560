import type { Context } from "hono";
import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import { type AuditQuery, pageAuditLog, readAuditLog } from "../../services/audit-log.ts";
import type { AuditRecord } from "../../store/audit.ts";
import { ndjson, streamLines, wantsLines } from "../lines.ts";
import { logQuery, toFilter, wholeLogQuery } from "./log-query.ts";
import { type ApiEnv, actorOf, createApi, createRoute, z } from "./route.ts";
import { organizationParam } from "./schemas.ts";

const record = z
  .object({
    id: z.uuid(),
    datetime: z.iso.datetime(),
    kind: z.string(),
    organization: z.string().nullable(),
    robot: z.string().nullable(),
    performer: z.object({ name: z.string() }).nullable(),
    outcome: z.enum(["success", "refused"]),
    code: z.string().nullable(),
    request_id: z.string(),
    ip: z.string().nullable(),
    before: z.unknown().openapi({ description: "Of a change, what differs, as it was; null: it was not there" }),
    after: z.unknown().openapi({ description: "The same as it became; null: it is not there any more" }),
    metadata: z.record(z.string(), z.unknown()).openapi({ type: "object", additionalProperties: true }),
  })
  .openapi("AuditRecord");

const responses = {
  200: {
    description: "Newest first: a page, or, by the line, all that is left",
    content: {
      "application/json": { schema: z.object({ logs: z.array(record), next_page: z.string().optional() }) },
      [ndjson]: { schema: z.string().openapi({ description: "An AuditRecord a line" }) },
    },
  },
};

const ofOrganization = createRoute({
  method: "get",
  path: "/organization/{org}/logs",
  summary: "The audit log of an organization, since it was created",
  request: { params: organizationParam, query: logQuery },
  responses,
});

const ofAll = createRoute({
  method: "get",
  path: "/logs",
  summary: "The whole audit log, of what was deleted too",
  request: { query: wholeLogQuery },
  responses,
});

export function logRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(ofOrganization, (c) => {
    const sent = c.req.valid("query");
    return answer(deps, c, sent.limit, {
      log: c.req.valid("param").org,
      filter: toFilter(sent),
      after: sent.next_page,
    });
  });
  api.openapi(ofAll, (c) => {
    const sent = c.req.valid("query");
    return answer(deps, c, sent.limit, { filter: toFilter(sent), after: sent.next_page });
  });
  return api;
}

async function answer(deps: Deps, c: Context<ApiEnv>, limit: number | undefined, query: AuditQuery) {
  const actor = actorOf(c);
  c.header("Vary", "Accept");
  if (wantsLines(c)) {
    const onError = (error: unknown) =>
      deps.log.error("the audit log broke off while it was read", { request_id: actor.requestId, error });
    const lines = await streamLines(presentPages(readAuditLog(deps, actor, query, limit)), onError);
    // Bytes have no type that could be compared with the schema.
    return c.body(lines, 200, { "Content-Type": ndjson }) as never;
  }
  const { items, next } = await pageAuditLog(deps, actor, query, limit ?? limits.page.default);
  return c.json({ logs: items.map(present), ...(next !== undefined && { next_page: next }) }, 200);
}

async function* presentPages(
  pages: AsyncGenerator<readonly AuditRecord[], undefined>,
): AsyncGenerator<readonly z.infer<typeof record>[], undefined> {
  for await (const page of pages) yield page.map(present);
}

function present(row: AuditRecord): z.infer<typeof record> {
  return {
    id: row.id,
    datetime: row.at.toISOString(),
    kind: row.kind,
    organization: row.organization,
    robot: row.robot,
    performer: row.actor === null ? null : { name: row.actor },
    outcome: row.outcome,
    code: row.code,
    request_id: row.requestId,
    ip: row.clientAddress,
    before: row.before,
    after: row.after,
    metadata: { ...row.metadata },
  };
}
