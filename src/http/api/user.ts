import type { Deps } from "../../deps.ts";
import { organizationRoles } from "../../domain/access.ts";
import { describeActor } from "../../services/describe-actor.ts";
import { actorOf, createApi, createRoute, json, z } from "./route.ts";

const user = z
  .object({
    username: z.string(),
    anonymous: z.literal(false),
    is_robot: z.boolean(),
    super_user: z.boolean(),
    global_readonly_super_user: z.boolean(),
    organizations: z
      .array(z.object({ name: z.string(), role: z.enum(organizationRoles), is_org_admin: z.boolean() }))
      .openapi({ description: "Where this token opens something by a role; a superuser's opens all others too" }),
    token: z
      .object({
        read_only: z.boolean(),
        organizations: z.array(z.string()).nullable(),
        expires_at: z.iso.datetime().nullable(),
      })
      .openapi({ description: "How the token narrows that" }),
  })
  .openapi("User");

const getUser = createRoute({
  method: "get",
  path: "/user",
  summary: "Whose token this is, and what it opens",
  responses: { 200: json(user, "The principal, or the robot") },
});

export function userRoutes(deps: Deps) {
  return createApi().openapi(getUser, async (c) => {
    const actor = actorOf(c);
    const { roles, narrowedTo } = await describeActor(deps, actor);
    const { superUser } = actor.access;
    return c.json(
      {
        username: actor.name,
        anonymous: false as const,
        is_robot: actor.name.includes("+"),
        super_user: superUser === true,
        global_readonly_super_user: superUser === "read_only",
        organizations: roles.map(({ name, role }) => ({ name, role, is_org_admin: role === "admin" })),
        token: {
          read_only: actor.token.readOnly,
          organizations: narrowedTo,
          expires_at: actor.token.expiresAt?.toISOString() ?? null,
        },
      },
      200,
    );
  });
}
