import type { Deps } from "../../deps.ts";
import { actorOf, createApi, createRoute, json, refusals, z } from "./route.ts";

const user = z.object({ username: z.string(), super_user: z.boolean(), anonymous: z.boolean() }).openapi("User");

const getUser = createRoute({
  method: "get",
  path: "/user",
  summary: "Whose API token this is",
  responses: { 200: json(user, "The principal"), ...refusals },
});

export function userRoutes(_: Deps) {
  return createApi().openapi(getUser, (c) => {
    const { principal } = actorOf(c);
    return c.json({ username: principal.name, super_user: principal.superUser, anonymous: false }, 200);
  });
}
