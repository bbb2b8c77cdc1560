import { limits } from "../limits.ts";
import { type Binding, type Condition, claimsInScope, expandScope } from "./binding.ts";
import type { Json } from "./json.ts";
import { putRecent } from "./recent.ts";
import { type Grant, parseNarrowing } from "./scope.ts";

/** A binding made ready to judge tokens: what of it can be worked out without one is. */
export interface CompiledBinding {
  readonly binding: Binding;
  matchesSubject(sub: string): boolean;
  readonly conditions: readonly CompiledCondition[];
  /** What the binding's scope leaves of the robot's grants, with the token's claims put in. */
  narrow(claim: ClaimReader): NarrowingResult;
}

export interface CompiledCondition {
  readonly claim: string;
  readonly condition: Condition;
  holds(value: Json): boolean;
}

export interface Narrowing {
  readonly scope: string;
  readonly grants: readonly Grant[];
}

/** `narrowed` is absent where the binding leaves all. */
export type NarrowingResult =
  | { readonly ok: true; readonly narrowed?: Narrowing }
  | { readonly ok: false; readonly detail: string };

/** A claim of a token by its own name; never something inherited. */
export type ClaimReader = (name: string) => Json | undefined;

export function compileBinding(binding: Binding): CompiledBinding {
  return {
    binding,
    matchesSubject: compileSubject(binding.subject),
    conditions: Object.entries(binding.claims ?? {}).map(([claim, condition]) => ({
      claim,
      condition,
      holds: compileCondition(condition),
    })),
    narrow: compileScope(binding.scope),
  };
}

function compileSubject(subject: string): (sub: string) => boolean {
  if (!subject.endsWith("*")) return (sub) => sub === subject;
  const start = subject.slice(0, -1);
  return (sub) => sub.startsWith(start);
}

function compileCondition(condition: Condition): (value: Json) => boolean {
  if ("equals" in condition) return (value) => value === condition.equals;
  if ("prefix" in condition) return (value) => typeof value === "string" && value.startsWith(condition.prefix);
  if ("contains" in condition) return (value) => Array.isArray(value) && value.includes(condition.contains);
  const accepted = new Set<Json>(condition.in);
  return (value) => accepted.has(value);
}

function compileScope(scope: string | null): CompiledBinding["narrow"] {
  if (scope === null) return () => ({ ok: true });
  if (claimsInScope(scope).length > 0) return (claim) => narrowByClaims(scope, claim);
  const narrowed = parseScope(scope);
  return () => narrowed;
}

function narrowByClaims(scope: string, claim: ClaimReader): NarrowingResult {
  const expanded = expandScope(scope, claim);
  return expanded.ok ? parseScope(expanded.scope) : expanded;
}

function parseScope(scope: string): NarrowingResult {
  const parsed = parseNarrowing(scope);
  if (!parsed.ok) return { ok: false, detail: `${parsed.scope} is no repository's scope` };
  return { ok: true, narrowed: { scope, grants: parsed.grants } };
}

/** Gives bindings ready to judge tokens. */
export type BindingCompiler = (binding: Binding) => CompiledBinding;

/** Compiles each version of a binding once: what decides never changes within one. */
export function createBindingCompiler(): BindingCompiler {
  const compiled = new Map<string, CompiledBinding>();

  return (binding) => {
    const key = `${binding.id} ${binding.version}`;
    const known = compiled.get(key) ?? compileBinding(binding);
    putRecent(compiled, key, known, limits.binding.compiled);
    return known;
  };
}
