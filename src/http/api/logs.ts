import type { Deps } from "../../deps.ts";
import { pageAuditLog } from "../../services/audit-log.ts";
import type { AuditFilter, AuditRecord } from "../../store/audit.ts";
import { actorOf, createApi, createRoute, json, refusals, z } from "./route.ts";
import { instant, organizationParam, pageQuery } from "./schemas.ts";

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

const query = pageQuery.extend({
  next_page: z.uuid().optional(),
  kind: z.string().max(255).optional(),
  robot: z.string().max(1024).optional(),
  outcome: z.enum(["success", "refused"]).optional(),
  request_id: z.string().max(255).optional(),
  starttime: instant.optional(),
  endtime: instant.optional(),
});

const responses = {
  200: json(z.object({ logs: z.array(record), next_page: z.string().optional() }), "One page, newest first"),
  ...refusals,
};

const ofOrganization = createRoute({
  method: "get",
  path: "/organization/{org}/logs",
  summary: "The audit log of an organization",
  request: { params: organizationParam, query },
  responses,
});

const ofAll = createRoute({
  method: "get",
  path: "/logs",
  summary: "The audit log",
  request: { query },
  responses,
});

export function logRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(ofOrganization, async (c) => {
    const sent = c.req.valid("query");
    const filter = { ...toFilter(sent), organization: c.req.valid("param").org };
    return c.json(present(await pageAuditLog(deps, actorOf(c), filter, sent.limit)), 200);
  });
  api.openapi(ofAll, async (c) => {
    const sent = c.req.valid("query");
    return c.json(present(await pageAuditLog(deps, actorOf(c), toFilter(sent), sent.limit)), 200);
  });
  return api;
}

function toFilter(sent: z.infer<typeof query>): AuditFilter {
  const { kind, robot, outcome, request_id, starttime, endtime, next_page } = sent;
  return {
    ...(kind !== undefined && { kind }),
    ...(robot !== undefined && { robot }),
    ...(outcome !== undefined && { outcome }),
    ...(request_id !== undefined && { requestId: request_id }),
    ...(starttime !== undefined && { from: new Date(starttime) }),
    ...(endtime !== undefined && { to: new Date(endtime) }),
    ...(next_page !== undefined && { before: next_page }),
  };
}

function present({ items, next }: Awaited<ReturnType<typeof pageAuditLog>>) {
  return { logs: items.map(presentRecord), ...(next !== undefined && { next_page: next }) };
}

function presentRecord(row: AuditRecord): z.infer<typeof record> {
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
