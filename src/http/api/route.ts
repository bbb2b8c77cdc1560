import { createRoute as defineRoute, OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Problem } from "../../domain/binding.ts";
import type { Actor } from "../../services/actor.ts";
import type { Authenticated } from "../../services/authenticate-actor.ts";
import { refuseProblems } from "../../services/management-error.ts";
import { type AppEnv, originOf } from "../context.ts";
import type { Conditions } from "./conditions.ts";
import { describeRoute, entityTagHeader } from "./describe-route.ts";

/** What the middleware of the management API puts beside each request. */
export interface ApiEnv {
  Variables: AppEnv["Variables"] & Conditions & { authenticated: Authenticated; bodyProblems: readonly Problem[] };
}

export function createApi(): OpenAPIHono<ApiEnv> {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result, c) => {
      const found = result.success ? [] : result.error.issues.map(toProblem);
      refuseProblems(result.target === "json" ? [...c.get("bodyProblems"), ...found] : found);
    },
  });
}

export function toProblem(issue: z.core.$ZodIssue): Problem {
  return {
    path: issue.path.map((part) => (typeof part === "symbol" ? String(part) : part)),
    message: issue.message,
  };
}

export function actorOf(c: Context<ApiEnv>): Actor {
  const ifMatch = c.get("ifMatch");
  const idempotency = c.get("idempotency");
  return {
    ...originOf(c as unknown as Context<AppEnv>),
    ...c.get("authenticated"),
    ...(ifMatch !== undefined && { ifMatch }),
    ...(idempotency && { idempotency }),
  };
}

/** A route with what the description says of all of its kind. */
export function createRoute<P extends string, R extends Omit<RouteConfig, "path"> & { path: P }>(route: R) {
  return defineRoute<P, R>({ ...route, ...describeRoute(route) });
}

export function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** JSON that shows what can be edited, with its entity tag. */
export function tagged<T extends z.ZodType>(schema: T, description: string) {
  return { ...json(schema, description), headers: entityTagHeader };
}

export function body<T extends z.ZodType>(schema: T, required = true) {
  return { required, content: { "application/json": { schema } } };
}

export { z };
