import type { Deps } from "../../deps.ts";
import { organizationRoles } from "../../domain/access.ts";
import { deleteMember, getMember, pageMembers, putMember } from "../../services/manage-members.ts";
import type { Member } from "../../store/members.ts";
import { putEntityTag } from "./conditions.ts";
import { actorOf, body, createApi, createRoute, json, tagged, z } from "./route.ts";
import { organizationParam, pageQuery } from "./schemas.ts";

export const organizationRole = z.enum(organizationRoles).openapi({
  description:
    "admin: all in its organization; member: sees it, makes robots, and changes bindings and tokens of those; reader: sees it",
});

const member = z
  .object({
    name: z.string().openapi({ description: "A principal's, or a robot's in full", example: "acme+ci" }),
    kind: z.enum(["service", "robot"]),
    is_robot: z.boolean(),
    role: organizationRole,
  })
  .openapi("Member");

const memberParam = organizationParam.extend({
  member: z
    .string()
    .openapi({ description: "A principal, or a robot of the organization in full", example: "acme+ci" }),
});

const listed = createRoute({
  method: "get",
  path: "/organization/{org}/members",
  summary: "Who holds a role in an organization",
  request: { params: organizationParam, query: pageQuery },
  responses: {
    200: json(
      z.object({ members: z.array(member), next_page: z.string().optional() }),
      "One page: principals, then robots, by name",
    ),
  },
});

const got = createRoute({
  method: "get",
  path: "/organization/{org}/members/{member}",
  summary: "The role that somebody holds",
  request: { params: memberParam },
  responses: { 200: tagged(member, "The member") },
});

const put = createRoute({
  method: "put",
  path: "/organization/{org}/members/{member}",
  summary: "Give somebody a role in the place of the one that it holds",
  request: { params: memberParam, body: body(z.strictObject({ role: organizationRole })) },
  responses: { 200: tagged(member, "The member") },
});

const deleted = createRoute({
  method: "delete",
  path: "/organization/{org}/members/{member}",
  summary: "Take away the role that somebody holds",
  request: { params: memberParam },
  responses: { 204: { description: "Taken away" } },
});

export function memberRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(listed, async (c) => {
    const { limit, next_page: after } = c.req.valid("query");
    const { items, next } = await pageMembers(deps, actorOf(c), c.req.valid("param").org, { after, limit });
    return c.json({ members: items.map(present), ...(next !== undefined && { next_page: next }) }, 200);
  });
  api.openapi(got, async (c) => {
    const { org, member: name } = c.req.valid("param");
    const found = await getMember(deps, actorOf(c), org, name);
    await putEntityTag(c, { role: found.role });
    return c.json(present(found), 200);
  });
  api.openapi(put, async (c) => {
    const { org, member: name } = c.req.valid("param");
    const stored = await putMember(deps, actorOf(c), org, name, c.req.valid("json").role);
    await putEntityTag(c, { role: stored.role });
    return c.json(present(stored), 200);
  });
  api.openapi(deleted, async (c) => {
    const { org, member: name } = c.req.valid("param");
    await deleteMember(deps, actorOf(c), org, name);
    return c.body(null, 204);
  });
  return api;
}

function present({ name, kind, role }: Member): z.infer<typeof member> {
  return { name, kind, is_robot: kind === "robot", role };
}
