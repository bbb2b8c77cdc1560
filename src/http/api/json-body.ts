import type { Context, MiddlewareHandler } from "hono";
import type { Problem } from "../../domain/binding.ts";
import { limits } from "../../limits.ts";
import { ManagementError, refuseProblems } from "../../services/management-error.ts";
import type { ApiEnv } from "./route.ts";

/** Whatever a route makes of its body: it is JSON, and holds nothing that would be lost on the way to the database. */
export const requireJson: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (!hasBody(c)) {
    dropContentType(c);
  } else if (!/^application\/json *(;|$)/i.test(c.req.header("content-type") ?? "")) {
    throw new ManagementError("invalid", "Send the body as JSON, with Content-Type: application/json.");
  } else {
    refuseProblems(findProblems(await readJson(c)));
  }
  await next();
};

function hasBody(c: Context<ApiEnv>): boolean {
  const length = c.req.header("content-length");
  return length === undefined ? c.req.header("transfer-encoding") !== undefined : length !== "0";
}

/** Some clients name a type for the body that they do not send: the validator would look for one. */
function dropContentType(c: Context<ApiEnv>): void {
  if (c.req.header("content-type") === undefined) return;
  const headers = new Headers(c.req.raw.headers);
  headers.delete("content-type");
  c.req.raw = new Request(c.req.url, { method: c.req.method, headers });
}

async function readJson(c: Context<ApiEnv>): Promise<unknown> {
  try {
    return await c.req.json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ManagementError("invalid", "The body is not valid JSON.");
  }
}

function findProblems(body: unknown): Problem[] {
  const problems: Problem[] = [];
  const look = (value: unknown, path: Problem["path"]) => {
    if (typeof value === "string" && !isStorable(value)) {
      problems.push({ path, message: "must not hold NUL or half of a surrogate pair" });
    }
    if (typeof value !== "object" || value === null) return;
    if (path.length >= limits.http.apiBodyDepth) {
      problems.push({ path, message: `must not be nested deeper than ${limits.http.apiBodyDepth}` });
      return;
    }
    for (const [name, member] of Object.entries(value)) {
      // JavaScript would lose it silently, and a condition with it.
      if (name === "__proto__" || !isStorable(name))
        problems.push({ path, message: "has a member that cannot be named so" });
      look(member, [...path, Array.isArray(value) ? Number(name) : name]);
    }
  };
  look(body, []);
  return problems;
}

function isStorable(text: string): boolean {
  return !text.includes("\u0000") && text.isWellFormed();
}
