import { canonicalJson, type Json } from "../domain/json.ts";
import { sha256 } from "../tokens/signing-key.ts";
import type { Actor } from "./actor.ts";
import { ManagementError } from "./management-error.ts";

/**
 * The entity tag (RFC 9110 §8.8.3) of what can be edited of a thing: it stays while only counters and times of
 * use move.
 */
export async function entityTag(view: Json): Promise<string> {
  return `"${(await sha256(canonicalJson(view))).slice(0, 27)}"`;
}

/**
 * To be asked in the transaction that changes the thing, once nobody else can.
 *
 * @param view what can be edited of it, as it is; absent: it is not there
 * @throws {ManagementError} when the request demands another state of it (RFC 9110 §13.1.1)
 */
export async function requireMatch({ ifMatch }: Actor, view: Json | undefined): Promise<void> {
  if (ifMatch === undefined) return;
  const tag = view === undefined ? undefined : await entityTag(view);
  if (tag !== undefined && (ifMatch === "*" || ifMatch.includes(tag))) return;
  throw new ManagementError(
    "precondition_failed",
    tag === undefined
      ? "If-Match demands something that is there, and it is not."
      : `It was changed since it was read, or If-Match has a weak entity tag (W/"…"), which none matches: its own is ${tag} now. Read it again, and send If-Match with that.`,
  );
}
