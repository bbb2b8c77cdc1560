import type { Binding } from "./binding.ts";
import type { CompiledBinding, CompiledCondition, Narrowing } from "./compiled-binding.ts";
import { type JsonObject, member } from "./json.ts";
import type { Preset } from "./preset.ts";
import { guardRefusal } from "./presets.ts";
import type { Refusal } from "./refusal.ts";
import { furthestRefusal, outcomeOf, type RuleOutcome } from "./rule.ts";
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
  bindings: readonly CompiledBinding[],
  claims: VerifiedClaims,
  defaults: Defaults,
  now: number,
): Decision {
  const outcomes = bindings.map((compiled) => evaluateBinding(compiled, claims, defaults, now));
  const enforced = outcomes.filter(({ binding }) => binding.mode === "enforce");
  const outcome = enforced.find(({ matched }) => matched);
  if (outcome) return { granted: true, outcome, outcomes };
  const failures = enforced.flatMap(({ rules }) => rules.find(({ passed }) => !passed) ?? []);
  const refusal = furthestRefusal(failures) ?? { code: "robot_unbound", auditOnly: true };
  return { granted: false, refusal, outcomes };
}

function evaluateBinding(
  compiled: CompiledBinding,
  claims: VerifiedClaims,
  defaults: Defaults,
  now: number,
): BindingOutcome {
  const { binding, conditions } = compiled;
  const scope = checkScope(compiled, claims);
  const rules = [
    checkAudience(binding, claims, defaults),
    checkClient(binding, claims, defaults),
    checkSubject(compiled, claims),
    ...conditions.map((condition) => checkClaim(condition, claims)),
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

function checkSubject({ binding: { subject }, matchesSubject }: CompiledBinding, { sub }: VerifiedClaims): RuleOutcome {
  return outcomeOf(
    "subject",
    { expected: subject, found: sub },
    matchesSubject(sub) ? undefined : { code: "subject_mismatch", expected: subject, found: sub },
  );
}

function checkClaim({ claim, condition, holds }: CompiledCondition, { payload }: VerifiedClaims): RuleOutcome {
  const value = member(payload, claim);
  const seen = { claim, expected: condition, found: value ?? null };
  if (value !== undefined && holds(value)) return outcomeOf("claim", seen, undefined);
  const found = value === undefined ? "nothing" : JSON.stringify(value);
  return outcomeOf("claim", seen, { code: "claim_mismatch", claim, expected: JSON.stringify(condition), found });
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

function checkScope(
  { binding: { scope }, narrow }: CompiledBinding,
  { payload }: VerifiedClaims,
): { outcome: RuleOutcome; narrowed?: Narrowing } {
  const result = narrow((name) => member(payload, name));
  const expected = scope ?? "any";
  if (!result.ok) {
    const { detail } = result;
    const refusal: Refusal = { code: "scope_invalid", scope: expected, detail };
    return { outcome: outcomeOf("scope", { expected, found: detail }, refusal) };
  }
  const { narrowed } = result;
  const outcome = outcomeOf("scope", { expected, found: narrowed?.scope ?? null }, undefined);
  return { outcome, ...(narrowed && { narrowed }) };
}
