import type { Deps } from "../../deps.ts";
import { putOrganizationState } from "../../services/desired-state/put-organization-state.ts";
import { putServiceState, type ServiceStateChange } from "../../services/desired-state/put-service-state.ts";
import { getOrganizationState } from "../../services/desired-state/read-organization-state.ts";
import { getServiceState } from "../../services/desired-state/read-service-state.ts";
import { putEntityTag } from "./conditions.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { organizationParam } from "./schemas.ts";
import { organizationState, serviceState, toWantedOrganization, toWantedService } from "./state-schema.ts";

// A typo must not apply what was to be told.
const query = z.strictObject({
  dry_run: z.enum(["true", "false"]).default("false").openapi({ description: "Only tell what would change" }),
});

const change = z
  .object({
    action: z.enum(["create", "change", "delete"]),
    kind: z.enum(["settings", "member", "robot", "prototype", "issuer", "registry", "principal", "organization"]),
    organization: z.string().optional(),
    name: z.string(),
    before: z.unknown().optional().openapi({ description: "Of what is changed, what differs" }),
    after: z.unknown().optional(),
  })
  .openapi("StateChange");

const applied = z
  .object({ dry_run: z.boolean(), changes: z.array(change) })
  .openapi("AppliedState", { description: "What was changed, or would be" });

const gotOrganization = createRoute({
  method: "get",
  path: "/organization/{org}/state",
  summary: "The state of an organization, as a document to keep in git",
  request: { params: organizationParam },
  responses: { 200: tagged(organizationState, "The document") },
});

const putOrganization = createRoute({
  method: "put",
  path: "/organization/{org}/state",
  summary: "Make an organization what a document says, whole or not at all",
  request: { params: organizationParam, query, body: body(organizationState) },
  responses: { 200: tagged(applied, "The difference; the entity tag is of the document as it is now") },
});

const gotService = createRoute({
  method: "get",
  path: "/state",
  summary: "The state of the service, as a document to keep in git",
  responses: { 200: tagged(serviceState, "The document") },
});

const putService = createRoute({
  method: "put",
  path: "/state",
  summary: "Make the service what a document says, whole or not at all",
  request: { query, body: body(serviceState) },
  responses: { 200: json(applied, "The difference") },
});

export function stateRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(gotOrganization, async (c) => {
    const document = await getOrganizationState(deps, actorOf(c), c.req.valid("param").org);
    await putEntityTag(c, document);
    return c.json(document as z.infer<typeof organizationState>, 200);
  });
  api.openapi(putOrganization, async (c) => {
    const isDryRun = c.req.valid("query").dry_run === "true";
    const wanted = toWantedOrganization(c.req.valid("json"));
    const { changes, document } = await putOrganizationState(
      deps,
      actorOf(c),
      c.req.valid("param").org,
      wanted,
      isDryRun,
    );
    if (!isDryRun) await putEntityTag(c, document);
    return c.json({ dry_run: isDryRun, changes: changes.map(present) }, 200);
  });
  api.openapi(gotService, async (c) => {
    const document = await getServiceState(deps, actorOf(c));
    await putEntityTag(c, document);
    return c.json(document as z.infer<typeof serviceState>, 200);
  });
  api.openapi(putService, async (c) => {
    const isDryRun = c.req.valid("query").dry_run === "true";
    const wanted = toWantedService(c.req.valid("json"));
    const { changes } = await putServiceState(deps, actorOf(c), wanted, isDryRun);
    return c.json({ dry_run: isDryRun, changes: changes.map(present) }, 200);
  });
  return api;
}

function present(one: ServiceStateChange): z.infer<typeof change> {
  return { ...one };
}
