import type { OpenAPIHono, RouteConfig } from "@hono/zod-openapi";
import type { Env } from "hono";
import { limits } from "../../limits.ts";
import { problem } from "./schemas.ts";

/*
 * What the description of every route says beside what the route says itself: nothing of it decides anything
 * when a request is served.
 */

/** By the noun of the path that each group is named after. */
const tags = {
  user: "Whose token this is",
  organization: "Organizations and their settings",
  "deleted-organizations": "Names that stay taken",
  members: "Who holds a role in an organization",
  robots: "Robot accounts and their static tokens",
  federation: "Whom a robot trusts",
  grants: "What a robot may do, by registry",
  prototypes: "Default permissions of an organization's robots",
  state: "Desired state: all of it in one document",
  logs: "The audit log",
  repository: "Permissions by repository, as Quay has them",
  bindings: "Who trusts an issuer",
  issuers: "Issuers of OIDC tokens",
  presets: "CI providers as data",
  registries: "Registries that Berth issues tokens for",
  keys: "The key that signs robot tokens",
  principals: "Who may manage, and their API tokens",
} as const;

const ACTIONS = ["explain", "refresh", "regenerate", "rotate"];

/** What is there or is not, and has no entity tag. */
const NEVER_EDITED = ["token", "tokens", "deleted-organizations"];

const ref = (type: string, name: string) => ({ $ref: `#/components/${type}/${name}` });

export const ifMatch = ref("parameters", "IfMatch");
export const idempotencyKey = ref("parameters", "IdempotencyKey");
export const conflict = ref("responses", "Conflict");
/** The headers of an answer that shows what can be edited. */
export const entityTagHeader = { ETag: ref("headers", "ETag") };

/** A route's name, its place in the description, and the refusals and conditions that all of its kind share. */
export function describeRoute(
  route: Pick<RouteConfig, "method" | "path" | "operationId" | "parameters" | "responses">,
) {
  const { method, path, responses } = route;
  const nouns = nounsOf(path);
  const edits = ["put", "patch", "delete"].includes(method) && !NEVER_EDITED.includes(nouns.at(-1) ?? "");
  const parameters = [
    ...(route.parameters ?? []),
    ...(edits ? [ifMatch] : []),
    ...(method === "post" && 201 in responses ? [idempotencyKey] : []),
  ];
  return {
    operationId: route.operationId ?? operationIdOf(method, path),
    tags: [tagOf(nouns)],
    security: [{ apiToken: [] }],
    ...(parameters.length > 0 && { parameters }),
    responses: {
      ...responses,
      400: ref("responses", "Invalid"),
      401: ref("responses", "Unauthenticated"),
      403: ref("responses", "Forbidden"),
      ...(path.includes("{") && { 404: ref("responses", "NotFound") }),
      ...(method !== "get" && { 409: conflict, 413: ref("responses", "TooLarge") }),
      ...(parameters.includes(ifMatch) && { 412: ref("responses", "PreconditionFailed") }),
      503: ref("responses", "Unavailable"),
    },
  };
}

function nounsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && !part.startsWith("{"));
}

function tagOf(nouns: readonly string[]): string {
  const [first = ""] = nouns;
  return first === "organization" ? (nouns.findLast((noun) => noun in tags) ?? first) : first;
}

/** `GET /organization/{org}/robots/{robot}` is `getRobot`, and `GET /organization/{org}/robots` is `getRobots`. */
function operationIdOf(method: string, path: string): string {
  const parts = path.replace("/organization/{org}/robots", "/robots").split("/").slice(1);
  const last = parts.at(-1) ?? "";
  const acts = method === "post" && ACTIONS.includes(last);
  const verb = acts ? last : method === "post" ? "create" : method;
  const named = acts ? parts.slice(0, -1) : parts;
  const words = named.flatMap((part, index) => {
    if (part.startsWith("{")) return [];
    const isOne = named[index + 1]?.startsWith("{") || (verb === "create" && index === named.length - 1);
    return [isOne ? singular(part) : part];
  });
  return verb + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function singular(noun: string): string {
  return noun.replace(/ies$/, "y").replace(/s$/, "");
}

/** What the descriptions of the routes refer to, and the document around them. */
export function describeApi<E extends Env>(api: OpenAPIHono<E>, publicUrl: string) {
  const registry = api.openAPIRegistry;
  registry.registerComponent("securitySchemes", "apiToken", {
    type: "http",
    scheme: "bearer",
    description: 'An API token, or a robot token whose binding says `"api": true`',
  });
  registry.register("Problem", problem);
  for (const [name, description] of Object.entries(refusals)) {
    registry.registerComponent("responses", name, {
      description,
      ...(name === "Unavailable" && { headers: { "Retry-After": ref("headers", "RetryAfter") } }),
      content: { "application/json": { schema: ref("schemas", "Problem") } },
    });
  }
  registry.registerComponent("headers", "ETag", {
    description: "Of what can be edited: counters and times of use do not move it",
    schema: { type: "string" },
  });
  registry.registerComponent("headers", "RetryAfter", { description: "Seconds", schema: { type: "string" } });
  registry.registerComponent("parameters", "IfMatch", {
    name: "If-Match",
    in: "header",
    description: "The `ETag` that it was read with: it is changed only if nobody else has changed it since",
    schema: { type: "string" },
  });
  registry.registerComponent("parameters", "IdempotencyKey", {
    name: "Idempotency-Key",
    in: "header",
    description: `The same request with the same key makes it once, for ${limits.idempotency.seconds / 3600} hours: the answer to a repeat has no secret in it`,
    schema: { type: "string", minLength: 1, maxLength: limits.idempotency.key },
  });
  return api.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Berth",
      version: "1",
      description: "Keyless robot accounts for container registries",
      license,
    },
    servers: [{ url: publicUrl }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
  });
}

const license = { name: "Apache License 2.0", identifier: "Apache-2.0" };

const refusals = {
  Invalid: "Invalid: every problem is named; or there already",
  Unauthenticated: "No API token, or none that is known",
  Forbidden: "Not allowed",
  NotFound: "Not there, or not yours to know of",
  Conflict: "In conflict with what is stored",
  PreconditionFailed: "Changed since it was read",
  TooLarge: "The body is too large",
  Unavailable: "The database, or an issuer, cannot be reached right now",
};
