import type { Context, Hono } from "hono";
import type { AppEnv } from "./context.ts";

/** Answers the methods that a path does not have with 405 and `Allow` (RFC 9110 §15.5.6). */
export function answerMethods(
  routes: Hono<AppEnv>,
  paths: Readonly<Record<string, readonly string[]>>,
  refuse: (c: Context<AppEnv>, message: string) => Response,
): void {
  for (const [path, methods] of Object.entries(paths)) {
    routes.all(path, (c) => {
      const response = refuse(c, `${c.req.method} is not for this path: use ${methods.join(" or ")}.`);
      const allowed = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
      response.headers.set("Allow", allowed.join(", "));
      return response;
    });
  }
}
