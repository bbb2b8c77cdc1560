import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Problem } from "../../domain/binding.ts";
import type { Actor } from "../../services/actor.ts";
import type { Authenticated } from "../../services/authenticate-actor.ts";
import { refuseProblems } from "../../services/management-error.ts";
import { type AppEnv, originOf } from "../context.ts";
import type { Conditions } from "./conditions.ts";
import { errorBody } from "./schemas.ts";

/** What the middleware of the management API puts beside each request. */
export interface ApiEnv {
  Variables: AppEnv["Variables"] & Conditions & { authenticated: Authenticated };
}

export function createApi(): OpenAPIHono<ApiEnv> {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) refuseProblems(result.error.issues.map(toProblem));
    },
  });
}

function toProblem(issue: z.core.$ZodIssue): Problem {
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

const errorContent = { "application/json": { schema: errorBody } };

/** The refusals that any management route can give, for its description. */
export const refusals = {
  400: { description: "Invalid: every problem is named", content: errorContent },
  401: { description: "No API token, or none that is known", content: errorContent },
  403: { description: "Not allowed", content: errorContent },
  404: { description: "Not there, or not yours to know of", content: errorContent },
  409: { description: "In conflict with what is stored", content: errorContent },
} as const;

export function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { "application/json": { schema } } };
}

export function body<T extends z.ZodType>(schema: T, required = true) {
  return { required, content: { "application/json": { schema } } };
}

export { createRoute, z };
