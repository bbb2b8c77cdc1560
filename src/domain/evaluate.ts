import type { Binding, Condition } from "./binding.ts";
import { expandScope } from "./binding.ts";
import { type Json, type JsonObject, member } from "./json.ts";
import { guardRefusal, type Preset } from "./presets.ts";
import type { BindingRefusal, Refusal } from "./refusal.ts";
import { furthestRefusal, outcomeOf, type RuleOutcome } from "./rule.ts";
import { type Grant, parseNarrowing } from "./scope.ts";
import { formatTime } from "./text.ts";

/** The claims of a verified token that bindings look at. */
export interface VerifiedClaims {
  readonly sub: string;
  readonly aud: readonly string[];
  readonly payload: JsonObject;
}

/** What holds for a binding of an issuer where the binding itself does not say. */
export interface Defaults {
  /** Who a token must have been meant for. */
  readonly audiences: readonly string[];
  readonly clients: readonly string[];
  /** What is known of the issuer's kind. */
  readonly preset?: Preset | undefined;
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
  const failures = enforced.flatMap(({ rules }) => rules.find(({ passed }) => !passed) ?? []);
  const refusal = furthestRefusal(failures) ?? { code: "robot_unbound", auditOnly: true };
  return { granted: false, refusal, outcomes };
}

function evaluateBinding(binding: Binding, claims: VerifiedClaims, defaults: Defaults, now: number): BindingOutcome {
  const scope = checkScope(binding, claims);
  const rules = [
    checkAudience(binding, claims, defaults),
    checkClient(binding, claims, defaults),
    checkSubject(binding, claims),
    ...Object.entries(binding.claims ?? {}).map(([name, condition]) => checkClaim(name, condition, claims)),
    ...checkGuard(binding, claims, defaults),
    checkExpiry(binding, now),
    scope.outcome,
  ];
  return {
    binding,
    rules,
    matched: rules.every(({ passed }) => passed),
    ...(scope.narrowed && { narrowed: scope.narrowed }),
  };
}

function checkAudience({ audiences, clients }: Binding, { aud }: VerifiedClaims, defaults: Defaults): RuleOutcome {
  const expected = audiences ?? defaults.audiences;
  const anyone = expected.length === 0 && (clients ?? defaults.clients).length > 0;
  const passed = anyone || aud.some((audience) => expected.includes(audience));
  return outcomeOf(
    "audience",
    { expected: anyone ? "any: the client decides" : expected, found: aud },
    passed ? undefined : { code: "audience_mismatch", expected, found: aud },
  );
}

/** The claims that name the client a token was issued to (OpenID Connect Core §2, RFC 9068 §2.2, Entra v1). */
const CLIENT_CLAIMS = ["azp", "client_id", "appid"];

function checkClient({ clients }: Binding, { payload }: VerifiedClaims, defaults: Defaults): RuleOutcome {
  const expected = clients ?? defaults.clients;
  const found = CLIENT_CLAIMS.map((claim) => member(payload, claim)).filter((value) => typeof value === "string");
  const passed = expected.length === 0 || found.some((client) => expected.includes(client));
  return outcomeOf(
    "client",
    { expected: expected.length === 0 ? "any" : expected, found },
    passed ? undefined : { code: "client_mismatch", expected, found },
  );
}

function checkSubject({ subject }: Binding, { sub }: VerifiedClaims): RuleOutcome {
  const passed = subject.endsWith("*") ? sub.startsWith(subject.slice(0, -1)) : sub === subject;
  return outcomeOf(
    "subject",
    { expected: subject, found: sub },
    passed ? undefined : { code: "subject_mismatch", expected: subject, found: sub },
  );
}

function checkClaim(claim: string, condition: Condition, { payload }: VerifiedClaims): RuleOutcome {
  const value = member(payload, claim);
  const passed = value !== undefined && holds(condition, value);
  const refusal: BindingRefusal = {
    code: "claim_mismatch",
    claim,
    expected: JSON.stringify(condition),
    found: value === undefined ? "nothing" : JSON.stringify(value),
  };
  return outcomeOf("claim", { claim, expected: condition, found: value ?? null }, passed ? undefined : refusal);
}

function holds(condition: Condition, value: Json): boolean {
  if ("equals" in condition) return value === condition.equals;
  if ("in" in condition) return condition.in.some((one) => value === one);
  if ("prefix" in condition) return typeof value === "string" && value.startsWith(condition.prefix);
  return Array.isArray(value) && value.includes(condition.contains);
}

/** What the issuer's preset demands although the binding does not say it. */
function checkGuard(binding: Binding, { payload }: VerifiedClaims, { preset }: Defaults): RuleOutcome[] {
  if (!preset?.guarded) return [];
  const { claim, values } = preset.guarded;
  const found = member(payload, claim) ?? null;
  const refusal = guardRefusal(binding, preset, (name) => member(payload, name));
  return [outcomeOf("claim", { claim, expected: { not_in: values }, found }, refusal)];
}

function checkExpiry({ expiresAt }: Binding, now: number): RuleOutcome {
  const expired = expiresAt !== null && now >= expiresAt;
  return outcomeOf(
    "binding_expiry",
    { expected: expiresAt === null ? "at any time" : `before ${formatTime(expiresAt)}`, found: formatTime(now) },
    expired ? { code: "binding_expired", at: expiresAt, now } : undefined,
  );
}

function checkScope(binding: Binding, claims: VerifiedClaims): { outcome: RuleOutcome; narrowed?: Narrowing } {
  const { scope } = binding;
  if (scope === null) return { outcome: outcomeOf("scope", { expected: "any", found: null }, undefined) };
  const read = readScope(scope, claims);
  if (!read.ok) {
    const refusal: Refusal = { code: "scope_invalid", scope, detail: read.detail };
    return { outcome: outcomeOf("scope", { expected: scope, found: read.detail }, refusal) };
  }
  return {
    outcome: outcomeOf("scope", { expected: scope, found: read.narrowed.scope }, undefined),
    narrowed: read.narrowed,
  };
}

function readScope(
  scope: string,
  { payload }: VerifiedClaims,
): { readonly ok: true; readonly narrowed: Narrowing } | { readonly ok: false; readonly detail: string } {
  const expanded = expandScope(scope, (name) => member(payload, name));
  if (!expanded.ok) return expanded;
  const parsed = parseNarrowing(expanded.scope);
  if (!parsed.ok) return { ok: false, detail: `${parsed.scope} is no repository's scope` };
  return { ok: true, narrowed: { scope: expanded.scope, grants: parsed.grants } };
}
