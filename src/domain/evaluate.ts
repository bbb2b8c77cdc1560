import type { Binding, Condition } from "./binding.ts";
import { expandScope } from "./binding.ts";
import { type Json, type JsonObject, member } from "./json.ts";
import type { BindingRefusal, Refusal } from "./refusal.ts";
import { type Grant, parseNarrowing } from "./scope.ts";

/** The claims of a verified token that bindings look at. */
export interface VerifiedClaims {
  readonly sub: string;
  readonly aud: readonly string[];
  readonly payload: JsonObject;
}

/** Who a token must have been meant for, where the binding itself does not say. */
export interface Defaults {
  readonly audiences: readonly string[];
  readonly clients: readonly string[];
}

/** The rules of a binding, in the order in which they are applied. */
const RULES = ["audience", "client", "subject", "claim", "expiry", "scope"] as const;

/** One rule of one binding, as it went. */
export interface RuleOutcome {
  readonly rule: (typeof RULES)[number];
  readonly passed: boolean;
  readonly refusal?: BindingRefusal;
}

export interface BindingOutcome {
  readonly binding: Binding;
  readonly rules: readonly RuleOutcome[];
  readonly matched: boolean;
  /** What the binding's scope leaves of the robot's grants; absent: all of them. */
  readonly narrowed?: Narrowing;
}

export interface Narrowing {
  readonly scope: string;
  readonly grants: readonly Grant[];
}

export type Decision =
  | { readonly granted: true; readonly outcome: BindingOutcome; readonly outcomes: readonly BindingOutcome[] }
  | { readonly granted: false; readonly refusal: Refusal; readonly outcomes: readonly BindingOutcome[] };

/**
 * Judges a verified token by the bindings of its issuer, in stored order. The first that matches and is
 * enforced decides alone: bindings lend each other nothing. When none does, the refusal is that of the
 * binding that got furthest.
 *
 * @param now epoch seconds
 */
export function evaluate(
  bindings: readonly Binding[],
  claims: VerifiedClaims,
  defaults: Defaults,
  now: number,
): Decision {
  const outcomes = bindings.map((binding) => evaluateBinding(binding, claims, defaults, now));
  const enforced = outcomes.filter(({ binding }) => binding.mode === "enforce");
  const outcome = enforced.find(({ matched }) => matched);
  if (outcome) return { granted: true, outcome, outcomes };
  return { granted: false, refusal: furthestRefusal(enforced), outcomes };
}

function furthestRefusal(outcomes: readonly BindingOutcome[]): Refusal {
  const failures = outcomes.flatMap(({ rules }) => rules.find(({ passed }) => !passed) ?? []);
  const furthest = Math.max(...failures.map(({ rule }) => RULES.indexOf(rule)));
  const refusal = failures.find(({ rule }) => RULES.indexOf(rule) === furthest)?.refusal;
  return refusal ?? { code: "robot_unbound", auditOnly: true };
}

function evaluateBinding(binding: Binding, claims: VerifiedClaims, defaults: Defaults, now: number): BindingOutcome {
  const scope = checkScope(binding, claims);
  const rules: RuleOutcome[] = [
    ruleOutcome("audience", audienceRefusal(binding, claims, defaults)),
    ruleOutcome("client", clientRefusal(binding, claims, defaults)),
    ruleOutcome("subject", subjectRefusal(binding, claims)),
    ...Object.entries(binding.claims ?? {}).map(([name, condition]) =>
      ruleOutcome("claim", claimRefusal(name, condition, claims)),
    ),
    ruleOutcome("expiry", expiryRefusal(binding, now)),
    ruleOutcome("scope", scope.refusal),
  ];
  return {
    binding,
    rules,
    matched: rules.every(({ passed }) => passed),
    ...(scope.narrowed && { narrowed: scope.narrowed }),
  };
}

function ruleOutcome(rule: RuleOutcome["rule"], refusal: BindingRefusal | undefined): RuleOutcome {
  return refusal ? { rule, passed: false, refusal } : { rule, passed: true };
}

function audienceRefusal(binding: Binding, { aud }: VerifiedClaims, defaults: Defaults): BindingRefusal | undefined {
  const expected = binding.audiences ?? defaults.audiences;
  const anyone = expected.length === 0 && (binding.clients ?? defaults.clients).length > 0;
  if (anyone || aud.some((audience) => expected.includes(audience))) return undefined;
  return { code: "audience_mismatch", expected, found: aud };
}

function clientRefusal(binding: Binding, { payload }: VerifiedClaims, defaults: Defaults): BindingRefusal | undefined {
  const expected = binding.clients ?? defaults.clients;
  if (expected.length === 0) return undefined;
  const found = ["azp", "client_id", "appid"]
    .map((claim) => member(payload, claim))
    .filter((value): value is string => typeof value === "string");
  return found.some((client) => expected.includes(client)) ? undefined : { code: "client_mismatch", expected, found };
}

function subjectRefusal({ subject }: Binding, { sub }: VerifiedClaims): BindingRefusal | undefined {
  const matches = subject.endsWith("*") ? sub.startsWith(subject.slice(0, -1)) : sub === subject;
  return matches ? undefined : { code: "subject_mismatch", expected: subject, found: sub };
}

function claimRefusal(claim: string, condition: Condition, { payload }: VerifiedClaims): BindingRefusal | undefined {
  const value = member(payload, claim);
  if (value !== undefined && holds(condition, value)) return undefined;
  return {
    code: "claim_mismatch",
    claim,
    expected: JSON.stringify(condition),
    found: value === undefined ? "nothing" : JSON.stringify(value),
  };
}

function holds(condition: Condition, value: Json): boolean {
  if ("equals" in condition) return value === condition.equals;
  if ("in" in condition) return condition.in.some((one) => value === one);
  if ("prefix" in condition) return typeof value === "string" && value.startsWith(condition.prefix);
  return Array.isArray(value) && value.includes(condition.contains);
}

function expiryRefusal({ expiresAt }: Binding, now: number): BindingRefusal | undefined {
  return expiresAt !== null && now >= expiresAt ? { code: "binding_expired", at: expiresAt, now } : undefined;
}

function checkScope(binding: Binding, { payload }: VerifiedClaims): { refusal?: BindingRefusal; narrowed?: Narrowing } {
  if (binding.scope === null) return {};
  const expanded = expandScope(binding.scope, (name) => member(payload, name));
  if (!expanded.ok) return { refusal: { code: "scope_invalid", scope: binding.scope, detail: expanded.detail } };
  const parsed = parseNarrowing(expanded.scope);
  if (!parsed.ok) {
    return {
      refusal: { code: "scope_invalid", scope: binding.scope, detail: `${parsed.scope} is no repository's scope` },
    };
  }
  return { narrowed: { scope: expanded.scope, grants: parsed.grants } };
}
