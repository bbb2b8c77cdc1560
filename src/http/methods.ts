import type { Context, Env, Hono } from "hono";

/** Answers the methods that a path does not have with 405 and `Allow` (RFC 9110 §15.5.6). */
export function answerMethods<E extends Env>(
  routes: Hono<E>,
  paths: Readonly<Record<string, readonly string[]>>,
  refuse: (c: Context<E>, message: string) => Response,
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
