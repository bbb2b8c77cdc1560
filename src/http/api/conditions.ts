import type { Context, MiddlewareHandler } from "hono";
import type { Json } from "../../domain/json.ts";
import { limits } from "../../limits.ts";
import type { Actor, IdempotencyKey } from "../../services/actor.ts";
import { entityTag } from "../../services/entity-tag.ts";
import { refuseProblems } from "../../services/management-error.ts";
import { sha256 } from "../../tokens/signing-key.ts";
import type { ApiEnv } from "./route.ts";

/** What a request's headers make it depend on. */
export interface Conditions {
  ifMatch: Actor["ifMatch"];
  idempotency: IdempotencyKey | undefined;
}

/** RFC 9110 §8.8.3. */
const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/;
const ENTITY_TAGS = new RegExp(`^${ENTITY_TAG.source}(?:[ \\t]*,[ \\t]*${ENTITY_TAG.source})*$`);
const IDEMPOTENCY_KEY = /^[\x21-\x7e]+$/;

export const readConditions: MiddlewareHandler<ApiEnv> = async (c, next) => {
  c.set("ifMatch", readIfMatch(c.req.header("if-match")));
  const key = c.req.method === "POST" ? c.req.header("idempotency-key") : undefined;
  c.set("idempotency", key === undefined ? undefined : await readKey(key, new URL(c.req.url), await c.req.text()));
  await next();
};

/** Tells the entity tag of what is answered. */
export async function putEntityTag(c: Context<ApiEnv>, view: Json): Promise<void> {
  c.header("ETag", await entityTag(view));
}

function readIfMatch(header: string | undefined): Actor["ifMatch"] {
  const text = header?.trim();
  if (text === undefined || text === "*") return text;
  if (!ENTITY_TAGS.test(text)) {
    refuseProblems([{ path: ["If-Match"], message: 'must be *, or entity tags such as "x", separated by commas' }]);
  }
  // A weak tag is no match (RFC 9110 §13.1.1).
  return Array.from(text.matchAll(new RegExp(ENTITY_TAG, "g")), ([tag]) => tag).filter((tag) => !tag.startsWith("W/"));
}

/** By whatever name of the service, or at whichever instance of it, a request is the same. */
async function readKey(key: string, { pathname, search }: URL, body: string): Promise<IdempotencyKey> {
  if (!IDEMPOTENCY_KEY.test(key) || key.length > limits.idempotency.key) {
    refuseProblems([
      {
        path: ["Idempotency-Key"],
        message: `must have 1 to ${limits.idempotency.key} printable ASCII characters and no space`,
      },
    ]);
  }
  return { keyHash: await sha256(key), requestHash: await sha256(JSON.stringify([pathname, search, body])) };
}
