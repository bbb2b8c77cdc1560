import type { Deps } from "../../deps.ts";
import type { FederationEntry } from "../../domain/federation.ts";
import { limits } from "../../limits.ts";
import { plainTerms, type StoredFederation } from "../../services/change-federation.ts";
import { clearFederation, getFederation, putFederation } from "../../services/manage-federation.ts";
import { viewOfBinding } from "../../services/views.ts";
import { binding, presentBinding, terms, toTerms } from "./binding-schema.ts";
import { putEntityTag } from "./conditions.ts";
import { ifMatch } from "./describe-route.ts";
import { actorOf, body, createApi, createRoute, tagged, z } from "./route.ts";
import { robotParam } from "./schemas.ts";

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

const path = "/organization/{org}/robots/{robot}/federation";
const list = z.array(binding);

const got = createRoute({
  method: "get",
  path,
  summary: "Whom a robot trusts",
  request: { params: robotParam },
  responses: { 200: tagged(list, "The bindings, in the order in which they are tried") },
});

const posted = createRoute({
  method: "post",
  path,
  operationId: "replaceRobotFederation",
  parameters: [ifMatch],
  summary: "Replace whom a robot trusts",
  description:
    "An entry with issuer and subject alone leaves the stored bindings of that pair as they are; one with more replaces it; pairs that are not listed go.",
  request: { params: robotParam, body: body(z.array(entry).max(limits.binding.perRobot)) },
  responses: { 200: tagged(list, "The bindings as stored") },
});

const deleted = createRoute({
  method: "delete",
  path,
  summary: "Trust nobody",
  request: { params: robotParam },
  responses: { 204: { description: "The robot has no bindings" } },
});

export function federationRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(got, async (c) => {
    const { org, robot } = c.req.valid("param");
    const stored = await getFederation(deps, actorOf(c), { organization: org, robot });
    await putEntityTag(c, stored.bindings.map(viewOfBinding));
    return c.json(presentAll(stored), 200);
  });
  api.openapi(posted, async (c) => {
    const { org, robot } = c.req.valid("param");
    const entries = c.req.valid("json").map(toEntry);
    const stored = await putFederation(deps, actorOf(c), { organization: org, robot }, entries);
    await putEntityTag(c, stored.bindings.map(viewOfBinding));
    return c.json(presentAll(stored), 200);
  });
  api.openapi(deleted, async (c) => {
    const { org, robot } = c.req.valid("param");
    await clearFederation(deps, actorOf(c), { organization: org, robot });
    return c.body(null, 204);
  });
  return api;
}

function toEntry({ isExpanded: _, ...sent }: z.infer<typeof entry>): FederationEntry {
  const { issuer, subject, id, issuer_id: issuerId, description = null } = sent;
  if (Object.keys(sent).length === 2) return { issuer, subject };
  return {
    issuer,
    subject,
    ...(id !== undefined && { id }),
    ...(issuerId !== undefined && { issuerId }),
    terms: { ...plainTerms({ issuer, subject }), ...toTerms(sent) },
    description,
  };
}

function presentAll({ bindings, warnings }: StoredFederation): z.infer<typeof binding>[] {
  return bindings.map((one) => presentBinding(one, warnings.get(one.id)));
}
