import type { Deps } from "../deps.ts";
import { canonicalJson, type Json, type JsonObject } from "../domain/json.ts";
import { formatRobotName, type RobotName } from "../domain/names.ts";
import type { Actor } from "./actor.ts";
import { recordAudit } from "./audit.ts";

export interface Change {
  /** Of the audit record. */
  readonly kind: string;
  /** The organization's name; that of the robot, where there is one. */
  readonly organization?: string;
  readonly robot?: RobotName;
  /** What was changed as it was, and as it is: without secrets. Absent: it was not there, or is not any more. */
  readonly before?: Json;
  readonly after?: Json;
  readonly metadata?: JsonObject;
}

/** Records a change in the transaction that makes it. Of what is there before and after, it keeps what differs. */
export async function recordChange(
  deps: Pick<Deps, "clock" | "random">,
  tx: Deps["db"],
  { name, requestId, clientAddress }: Actor,
  { kind, organization, robot, before, after, metadata = {} }: Change,
): Promise<void> {
  const [then, now] = isObject(before) && isObject(after) ? difference(before, after) : [before, after];
  await recordAudit(tx, deps, {
    requestId,
    clientAddress,
    kind,
    ...(organization !== undefined && { organization }),
    ...(robot && { organization: robot.organization, robot: formatRobotName(robot) }),
    actor: name,
    outcome: "success",
    ...(then !== undefined && { before: then }),
    ...(now !== undefined && { after: now }),
    metadata,
  });
}

function difference(before: JsonObject, after: JsonObject): [JsonObject, JsonObject] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changed = [...names].filter(
    (name) => canonicalJson(before[name] ?? null) !== canonicalJson(after[name] ?? null),
  );
  return [pick(before, changed), pick(after, changed)];
}

function pick(from: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
