import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Deps } from "../deps.ts";
import type { Outcome } from "../platform.ts";
import type { AppEnv } from "./context.ts";

/** Times a request and shows it in its trace: by its route, not its URL, where a client may have put anything. */
export async function observe(
  { metrics, tracing }: Pick<Deps, "metrics" | "tracing">,
  c: Context<AppEnv>,
  work: () => Promise<void>,
): Promise<void> {
  const { method } = c.req;
  const answered = () => ({ route: routePath(c), status: c.res.status });
  const end = metrics.startRequest();
  await tracing.request({ id: c.get("requestId"), method, traceparent: c.req.header("traceparent"), answered }, work);
  const { route, status } = answered();
  end(method, route, status);
}

/** Counts how requests for a token end: by the reason that was noted on the way. */
export function countOutcomes(
  { metrics }: Deps,
  count: (outcome: Outcome, reason: string, c: Context<AppEnv>) => void,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await next();
    count(outcomeOf(c.res.status), c.get("reason") ?? "request_invalid", c);
    const by = c.get("limitedBy");
    if (by !== undefined) metrics.rateLimited(by);
  };
}

function outcomeOf(status: number): Outcome {
  if (status < 400) return "granted";
  return status < 500 ? "refused" : "failed";
}
