import type { Deps } from "../../deps.ts";
import { plainTerms } from "../../services/change-federation.ts";
import {
  addBinding,
  changeBinding,
  deleteBinding,
  getBinding,
  type KnownBinding,
  pageBindingsTo,
} from "../../services/manage-bindings.ts";
import { viewOfBinding } from "../../services/views.ts";
import type { BindingOfRobot } from "../../store/bindings.ts";
import { binding, presentBinding, someTerms, terms, toTerms } from "./binding-schema.ts";
import { putEntityTag } from "./conditions.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { pageByIdQuery, robotParam } from "./schemas.ts";

const path = "/organization/{org}/robots/{robot}/federation/bindings";
const issuerId = z.uuid().optional().openapi({ description: "Which of the issuers that share the string" });
const sent = terms.extend({ issuer_id: issuerId });
const bindingParam = robotParam.extend({ id: z.uuid() });

const posted = createRoute({
  method: "post",
  path,
  summary: "Trust somebody more",
  request: { params: robotParam, body: body(sent) },
  responses: { 201: tagged(binding, "The binding, tried after those that there are") },
});

const got = createRoute({
  method: "get",
  path: `${path}/{id}`,
  summary: "Get a binding",
  request: { params: bindingParam },
  responses: { 200: tagged(binding, "The binding") },
});

const changed = createRoute({
  method: "patch",
  path: `${path}/{id}`,
  summary: "Change what is given of a binding",
  request: { params: bindingParam, body: body(someTerms.extend({ issuer_id: issuerId })) },
  responses: { 200: tagged(binding, "The binding") },
});

const deleted = createRoute({
  method: "delete",
  path: `${path}/{id}`,
  summary: "Delete a binding, and end what was minted by it",
  request: { params: bindingParam },
  responses: { 204: { description: "Deleted" } },
});

const ofRobot = binding.extend({ robot: z.string().openapi({ example: "acme+ci" }) }).openapi("BindingOfRobot");

const listed = createRoute({
  method: "get",
  path: "/bindings",
  summary: "Who trusts an issuer, or one subject of it",
  request: {
    query: pageByIdQuery.extend({
      issuer: z.string().max(2048).optional(),
      subject: z.string().max(2048).optional(),
    }),
  },
  responses: {
    200: json(z.object({ bindings: z.array(ofRobot), next_page: z.string().optional() }), "One page"),
  },
});

export function bindingRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(posted, async (c) => {
    const { org, robot } = c.req.valid("param");
    const { issuer, subject, issuer_id, description = null, ...rest } = c.req.valid("json");
    const entry = {
      issuer,
      subject,
      ...(issuer_id !== undefined && { issuerId: issuer_id }),
      terms: { ...plainTerms({ issuer, subject }), ...toTerms(rest) },
      description,
    };
    const added = await addBinding(deps, actorOf(c), { organization: org, robot }, entry);
    await putEntityTag(c, viewOfBinding(added.binding));
    return c.json(present(added), 201);
  });
  api.openapi(got, async (c) => {
    const { org, robot, id } = c.req.valid("param");
    const found = await getBinding(deps, actorOf(c), { organization: org, robot }, id);
    await putEntityTag(c, viewOfBinding(found.binding));
    return c.json(present(found), 200);
  });
  api.openapi(changed, async (c) => {
    const { org, robot, id } = c.req.valid("param");
    const { issuer_id, description, ...rest } = c.req.valid("json");
    const change = {
      ...toTerms(rest),
      ...(issuer_id !== undefined && { issuerId: issuer_id }),
      ...(description !== undefined && { description }),
    };
    const stored = await changeBinding(deps, actorOf(c), { organization: org, robot }, id, change);
    await putEntityTag(c, viewOfBinding(stored.binding));
    return c.json(present(stored), 200);
  });
  api.openapi(deleted, async (c) => {
    const { org, robot, id } = c.req.valid("param");
    await deleteBinding(deps, actorOf(c), { organization: org, robot }, id);
    return c.body(null, 204);
  });
  api.openapi(listed, async (c) => {
    const { limit, next_page: after, issuer, subject } = c.req.valid("query");
    const { items, next } = await pageBindingsTo(deps, actorOf(c), { limit, after, issuer, subject });
    return c.json({ bindings: items.map(presentOfRobot), ...(next !== undefined && { next_page: next }) }, 200);
  });
  return api;
}

function present({ binding: record, warnings }: KnownBinding): z.infer<typeof binding> {
  return presentBinding(record, warnings);
}

function presentOfRobot({ binding: record, robot }: BindingOfRobot): z.infer<typeof ofRobot> {
  return { ...presentBinding(record), robot };
}
