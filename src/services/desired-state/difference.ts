import { canonicalJson, type Json, type JsonObject } from "../../domain/json.ts";

/** What a desired state changes, or would change. */
export interface StateChange {
  readonly action: "create" | "change" | "delete";
  readonly kind: "settings" | "member" | "robot" | "prototype" | "issuer" | "registry" | "principal" | "organization";
  readonly name: string;
  /** Of what is changed, the members that differ. */
  readonly before?: Json;
  readonly after?: Json;
}

/** Things of one kind, by name. */
export type Things = Readonly<Record<string, Json>>;

export function difference(kind: StateChange["kind"], before: Things, after: Things): StateChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name): StateChange[] => {
    const [then, now] = [member(before, name), member(after, name)];
    if (then === undefined && now !== undefined) return [{ action: "create", kind, name, after: now }];
    if (then !== undefined && now === undefined) return [{ action: "delete", kind, name, before: then }];
    return then === undefined || now === undefined || isSame(then, now)
      ? []
      : [{ action: "change", kind, name, before: differing(then, now), after: differing(now, then) }];
  });
}

/** Whether two values are equal, in whatever order their members are. */
export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return canonicalJson(one) === canonicalJson(other);
}

/** Of an object, the members that the other one has differently. */
export function differing(value: Json, other: Json): Json {
  if (!isObject(value) || !isObject(other)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name, one]) => !isSame(one, member(other, name))));
}

function member<T>(of: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
