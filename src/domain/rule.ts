import type { Json } from "./json.ts";
import type { Refusal } from "./refusal.ts";

/** The rules that a readable token is judged by, in the order in which they are applied. */
export const rules = [
  "issuer",
  "algorithm",
  "key",
  "signature",
  "expiration",
  "not_before",
  "issued_at",
  "lifetime",
  "audience",
  "client",
  "subject",
  "claim",
  "binding_expiry",
  "scope",
  "replay",
] as const;

export type Rule = (typeof rules)[number];

/** One rule as it went: what it wants, and what it came upon. */
export interface RuleOutcome {
  readonly rule: Rule;
  readonly passed: boolean;
  readonly expected: Json;
  readonly found: Json;
  /** Of a condition on a claim. */
  readonly claim?: string;
  readonly refusal?: Refusal;
}

export function outcomeOf(
  rule: Rule,
  seen: Pick<RuleOutcome, "expected" | "found" | "claim">,
  refusal: Refusal | undefined,
): RuleOutcome {
  return { rule, passed: refusal === undefined, ...seen, ...(refusal && { refusal }) };
}

/** The refusal of those that got furthest, of several that failed. */
export function furthestRefusal(outcomes: readonly RuleOutcome[]): Refusal | undefined {
  const failures = outcomes.filter(({ passed }) => !passed);
  const furthest = Math.max(...failures.map(({ rule }) => rules.indexOf(rule)));
  return failures.find(({ rule }) => rules.indexOf(rule) === furthest)?.refusal;
}
