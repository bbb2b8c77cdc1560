import { limits } from "../limits.ts";
import { isRepositoryName } from "./names.ts";

/** One resource and the actions on it, as the registry's `access` claim and `scope` parameter have it. */
export interface ResourceActions {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** What may be done to every resource that `pattern` covers: a name, a prefix ending in `/*`, or `*`. */
export interface Grant {
  readonly type: "repository" | "registry";
  readonly pattern: string;
  readonly actions: readonly string[];
}

export const repositoryActions = ["pull", "push", "delete"] as const;

export type ScopesResult =
  | { readonly ok: true; readonly resources: readonly ResourceActions[] }
  | { readonly ok: false; readonly reason: "too_many" | "malformed"; readonly scope: string };

/** Wider than the specification's, by what token servers and clients have made up. */
const TYPE = /^[a-z0-9]+(?:[_-][a-z0-9]+)*$/;
const ACTION = /^(?:[a-z_]*|\*)$/;

/**
 * Reads `scope` parameters, each with one scope or several separated by spaces, and merges those that
 * name one resource. A type ends at the first colon and the actions start after the last, because names
 * may hold `host:port`; a `(class)` behind the type is dropped.
 *
 * @see https://distribution.github.io/distribution/spec/auth/scope/
 */
export function parseScopes(values: readonly string[], most: number = limits.scopes): ScopesResult {
  const scopes = values.flatMap((value) => value.split(" ")).filter((scope) => scope !== "");
  if (scopes.length > most) return { ok: false, reason: "too_many", scope: "" };

  const merged = new Map<string, ResourceActions>();
  for (const scope of scopes) {
    const resource = parseScope(scope);
    if (!resource) return { ok: false, reason: "malformed", scope };
    const key = `${resource.type}:${resource.name}`;
    const actions = new Set([...(merged.get(key)?.actions ?? []), ...resource.actions]);
    merged.set(key, { ...resource, actions: [...actions] });
  }
  return { ok: true, resources: [...merged.values()] };
}

function parseScope(scope: string): ResourceActions | undefined {
  const first = scope.indexOf(":");
  const last = scope.lastIndexOf(":");
  if (scope.length > limits.scopeBytes || first < 1 || last === first) return undefined;

  const type = scope.slice(0, first).replace(/\([a-z0-9]+\)$/, "");
  const name = scope.slice(first + 1, last);
  const actions = scope.slice(last + 1).split(",");
  const readable = TYPE.test(type) && actions.every((action) => ACTION.test(action));
  return readable ? { type, name, actions: actions.filter((action) => action !== "") } : undefined;
}

export function formatScope({ type, name, actions }: ResourceActions): string {
  return `${type}:${name}:${actions.join(",")}`;
}

/**
 * What is asked for ∩ (what is held ∩ what the credential was narrowed to, or what is open to anybody).
 * Actions come out spelled out (`*` asked for gives what is held), in the order of `pull, push, delete`;
 * resources with nothing left, or of an unknown type, are not in it.
 */
export function authorize(
  asked: readonly ResourceActions[],
  held: readonly Grant[],
  narrowed?: readonly Grant[],
  open: readonly Grant[] = [],
): ResourceActions[] {
  return asked.flatMap((resource) => {
    const left = narrowed && actionsOn(resource, narrowed);
    const own = actionsOn(resource, held).filter((action) => !left || left.includes(action));
    const actions = new Set([...actionsOn(resource, open), ...own]);
    const wantsAll = resource.actions.includes("*");
    const allowed = [...actions].filter((action) => wantsAll || resource.actions.includes(action));
    return allowed.length > 0
      ? [{ type: resource.type, name: resource.name, actions: inOrder(resource, allowed) }]
      : [];
  });
}

function inOrder({ type }: ResourceActions, actions: readonly string[]): readonly string[] {
  return type === "repository" ? repositoryActions.filter((action) => actions.includes(action)) : actions;
}

function actionsOn(resource: ResourceActions, grants: readonly Grant[]): readonly string[] {
  // So zot asks for its catalog; no repository has no name.
  if (resource.type === "repository" && resource.name === "") {
    return grants.some(({ type, pattern }) => type === "registry" && pattern === "catalog") ? ["pull"] : [];
  }
  const isRepository = resource.type === "repository";
  if (isRepository && !isRepositoryName(resource.name)) return [];
  const actions = grants.filter((grant) => covers(grant, resource)).flatMap((grant) => grant.actions);
  return isRepository ? repositoryActions.filter((action) => actions.includes(action)) : [...new Set(actions)];
}

function covers({ type, pattern }: Grant, { type: asked, name }: ResourceActions): boolean {
  if (type !== asked) return false;
  return type === "registry" ? pattern === name : patternCovers(pattern, name);
}

function patternCovers(pattern: string, name: string): boolean {
  if (pattern === "*") return true;
  return pattern.endsWith("/*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

/** The repositories, by name, that were to be pulled and may not be. */
export function repositoriesLeftToPull(
  asked: readonly ResourceActions[],
  allowed: readonly ResourceActions[],
): string[] {
  const pulls = ({ type, actions }: ResourceActions) =>
    type === "repository" && (actions.includes("pull") || actions.includes("*"));
  const pulled = new Set(allowed.filter(pulls).map(({ name }) => name));
  const left = asked.filter((resource) => pulls(resource) && isRepositoryName(resource.name));
  return left.map(({ name }) => name).filter((name) => !pulled.has(name));
}

/** A repository's name, or a pattern, and all patterns short of `*` that cover the same and more. */
export function patternsAround(pattern: string): string[] {
  const parts = pattern.split("/");
  const prefixes = parts.slice(1).map((_, index) => `${parts.slice(0, index + 1).join("/")}/*`);
  return [...new Set([pattern, ...prefixes])];
}

/** Whether `text` is a repository name, a prefix of some ending in `/*`, or `*`. */
export function isRepositoryPattern(text: string): boolean {
  return text === "*" || isRepositoryName(text.endsWith("/*") ? text.slice(0, -2) : text);
}

/**
 * Reads a narrowing scope: the registry's grammar, where a repository may also be a prefix ending in
 * `/*`. It only ever takes away, so it is a list of grants to intersect with.
 */
export function parseNarrowing(
  text: string,
  most: number = limits.scopes,
): { ok: true; grants: Grant[] } | { ok: false; scope: string } {
  const parsed = parseScopes([text], most);
  if (!parsed.ok) return { ok: false, scope: parsed.scope };
  const grants: Grant[] = [];
  for (const resource of parsed.resources) {
    const grant = narrowingGrant(resource);
    if (!grant) return { ok: false, scope: formatScope(resource) };
    grants.push(grant);
  }
  return { ok: true, grants };
}

function narrowingGrant({ type, name, actions }: ResourceActions): Grant | undefined {
  if (type === "registry") {
    return name === "catalog" && actions.every((action) => action === "*")
      ? { type, pattern: name, actions }
      : undefined;
  }
  const known = (action: string) => action === "*" || repositoryActions.some((one) => one === action);
  if (type !== "repository" || !isRepositoryPattern(name) || !actions.every(known)) return undefined;
  return { type, pattern: name, actions: actions.includes("*") ? [...repositoryActions] : actions };
}

/** What two narrowings leave together. */
export function intersectGrants(one: readonly Grant[], other: readonly Grant[]): Grant[] {
  const shared = one.flatMap((a) => other.flatMap((b) => intersectGrant(a, b) ?? []));
  return shared.filter(
    (grant, index) => !shared.some((wider, at) => at !== index && makesNeedless(wider, grant, at < index)),
  );
}

function intersectGrant(a: Grant, b: Grant): Grant | undefined {
  const actions = a.actions.filter((action) => b.actions.includes(action));
  if (a.type !== b.type || actions.length === 0) return undefined;
  if (patternCovers(a.pattern, b.pattern)) return { ...b, actions };
  return patternCovers(b.pattern, a.pattern) ? { ...a, actions } : undefined;
}

/** Whether `wider` allows all that `grant` does; of two that allow the same, the first stays. */
function makesNeedless(wider: Grant, grant: Grant, comesFirst: boolean): boolean {
  const covers = (outer: Grant, inner: Grant) =>
    outer.type === inner.type &&
    patternCovers(outer.pattern, inner.pattern) &&
    inner.actions.every((action) => outer.actions.includes(action));
  return covers(wider, grant) && (comesFirst || !covers(grant, wider));
}

/** Writes grants as `parseNarrowing` reads them. */
export function formatNarrowing(grants: readonly Grant[]): string {
  return grants.map(({ type, pattern, actions }) => formatScope({ type, name: pattern, actions })).join(" ");
}
