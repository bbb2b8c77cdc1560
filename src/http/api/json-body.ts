import type { Context, MiddlewareHandler } from "hono";
import type { Problem } from "../../domain/binding.ts";
import { isStorable } from "../../domain/text.ts";
import { limits } from "../../limits.ts";
import { decodeStrictUtf8, hasRepeatedName, StrictJsonError } from "../../oidc/strict-json.ts";
import { ManagementError, refuseProblems } from "../../services/management-error.ts";
import type { ApiEnv } from "./route.ts";

/**
 * Whatever a route makes of its body: it is JSON that everybody reads alike, and holds nothing that would be lost
 * on the way to the database. The problems that have a place wait for those that the route's schema finds.
 */
export const requireJson: MiddlewareHandler<ApiEnv> = async (c, next) => {
  c.set("bodyProblems", []);
  if (!hasBody(c)) {
    dropContentType(c);
  } else if (!JSON_TYPE.test(c.req.header("content-type") ?? "")) {
    throw new ManagementError("invalid", "Send the body as JSON, with Content-Type: application/json.");
  } else {
    c.set("bodyProblems", readDocument(new Uint8Array(await c.req.arrayBuffer())).problems);
  }
  await next();
};

const MAX_DEPTH = limits.http.apiBodyDepth;
const MAX_VALUES = limits.http.apiBodyValues;
/** As the framework's validators know it, which would take a body of another type for none. */
const JSON_TYPE = /^application\/json(;\s*[a-zA-Z0-9-]+=([^;]+))*$/i;

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

/**
 * Reads JSON that everybody reads alike.
 *
 * @returns it, and every problem of it that has a place
 * @throws {ManagementError}
 */
export function readDocument(bytes: Uint8Array): { document: unknown; problems: readonly Problem[] } {
  const text = decode(bytes);
  const document = parse(text);
  const { problems, names } = inspect(document);
  if (problems.length === 0 && hasRepeatedName(text, names)) {
    throw new ManagementError(
      "invalid",
      "The body names a member twice in one object, where readers of JSON differ in which one they take: name it once.",
    );
  }
  return { document, problems };
}

function decode(bytes: Uint8Array): string {
  try {
    return decodeStrictUtf8(bytes);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new ManagementError("invalid", `The body cannot be read: ${error.message}. Send it as plain UTF-8.`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ManagementError("invalid", "The body is not valid JSON.");
  }
}

/** What is wrong with any body that has it, and how many names its objects have together. */
function inspect(body: unknown): { problems: Problem[]; names: number } {
  const problems: Problem[] = [];
  let names = 0;
  let values = 0;
  look(body, []);
  return { problems, names };

  function look(value: unknown, path: Problem["path"]): void {
    const problem = problemOf(value);
    if (problem !== undefined) problems.push({ path, message: problem });
    if (typeof value !== "object" || value === null) return;
    // Whatever looks into it further would have to bear any depth.
    if (path.length >= MAX_DEPTH) {
      refuseProblems([...problems, { path, message: `must not be nested deeper than ${MAX_DEPTH}` }]);
    }
    const members = Object.entries(value);
    values += members.length;
    if (values > MAX_VALUES) {
      throw new ManagementError(
        "invalid",
        `The body has more than ${MAX_VALUES} members and elements: send it in parts.`,
      );
    }
    if (Array.isArray(value)) {
      for (const [index, element] of value.entries()) look(element, [...path, index]);
      return;
    }
    names += members.length;
    for (const [name, member] of members) {
      // JavaScript would lose it silently, and a condition with it.
      if (name === "__proto__" || !isStorable(name)) {
        problems.push({ path, message: "has a member that cannot be named so" });
      }
      look(member, [...path, name]);
    }
  }
}

function problemOf(value: unknown): string | undefined {
  if (typeof value === "string" && !isStorable(value)) return "must not hold NUL or half of a surrogate pair";
  return typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER
    ? "must not be beyond 2^53, where readers of JSON round: send it as a text"
    : undefined;
}
