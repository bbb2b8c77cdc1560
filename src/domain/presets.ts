import type { BindingTerms, Condition, Problem, Scalar } from "./binding.ts";
import type { Json } from "./json.ts";
import type { Preset } from "./preset.ts";
import { presets } from "./preset-data.ts";
import type { BindingRefusal } from "./refusal.ts";
import { matchesForm, namesTenant } from "./tenant-form.ts";

type MatchingTerms = Pick<BindingTerms, "subject" | "claims">;

/**
 * The preset of an issuer: the one that it was registered with, else by its URL.
 *
 * @param registered id of a preset; one that is not known leaves the choice to the URL
 */
export function presetOf(issuer: string, registered?: string | null): Preset | undefined {
  return (
    presets.find(({ id }) => id === registered) ??
    presets.find(({ issuers }) => issuers.some((form) => matchesForm(issuer, form)))
  );
}

/** Why a binding for a shared issuer would let strangers in, with the condition to add. */
export function anchorProblem(terms: MatchingTerms, preset: Preset | undefined): Problem | undefined {
  if (!preset?.shared || !isWildcard(terms.subject) || isAnchored(terms, preset)) return undefined;
  const { subjects, claims, paths } = preset.anchors;
  const start = subjects[0] === undefined ? "" : ` or begin as ${subjects[0]} does`;
  return {
    path: ["claims"],
    message: `must hold a condition on one of ${[...claims, ...paths].join(", ")}, with equals or in and texts, or else the subject must be whole${start}: ${preset.name} gives tokens to everybody who uses it, and this binding names nobody among them`,
  };
}

/** What deserves a second look in a binding for an issuer of this kind, although it is allowed. */
export function presetWarnings(terms: MatchingTerms, preset: Preset | undefined): string[] {
  if (!preset) return [];
  const warnings: string[] = [];
  const { subjects, claims } = preset.anchors;
  if (subjects.length > 0 && !isAnchored(terms, preset)) {
    if (isWildcard(terms.subject)) {
      warnings.push(
        `The subject names no tenant of the issuer: whoever can run a job there can use this binding. Let it begin as one of ${subjects.join(", ")} does.`,
      );
    } else if (claims.length > 0) {
      warnings.push(
        `The subject names nobody who owns it, so that others may bring the same one where ${preset.name} lets them choose its parts. Add a condition on one of ${claims.join(", ")}.`,
      );
    }
  }
  if (preset.immutableIds.length > 0 && !isImmutable(terms, preset)) {
    warnings.push(
      `A name can be given up and taken by somebody else. Add a condition on ${preset.immutableIds.join(" or ")}, so that a recycled name opens nothing.`,
    );
  }
  return warnings;
}

/**
 * The condition that a preset adds to every binding: a guarded value is refused, unless the binding
 * itself asks for it by `equals` or `in`.
 *
 * @param claim reads a claim of the token by its own name
 */
export function guardRefusal(
  { claims }: Pick<BindingTerms, "claims">,
  preset: Preset | undefined,
  claim: (name: string) => Json | undefined,
): BindingRefusal | undefined {
  if (!preset?.guarded) return undefined;
  const { claim: name, values } = preset.guarded;
  const value = claim(name);
  const found = values.find((guarded) => guarded === value);
  if (found === undefined || namedValues(claims, name).includes(found)) return undefined;
  return {
    code: "claim_mismatch",
    claim: name,
    expected: `a condition that names ${JSON.stringify(found)}`,
    found: JSON.stringify(found),
    guarded: true,
  };
}

function isWildcard(subject: string): boolean {
  return subject.endsWith("*");
}

/** Whether the subject begins as one of the forms does. A whole subject may end where a form asks for `:`. */
function subjectNames(subject: string, forms: readonly string[]): boolean {
  return forms.some((form) => namesTenant(`${subject}:`, form));
}

function isAnchored({ subject, claims }: MatchingTerms, { anchors }: Preset): boolean {
  return (
    subjectNames(subject, anchors.subjects) ||
    anchors.claims.some((name) => isPinned(claims, name)) ||
    anchors.paths.some((name) => isPinned(claims, name) || isUnderTenant(claims, name))
  );
}

function isImmutable({ subject, claims }: MatchingTerms, { anchors, immutableIds }: Preset): boolean {
  return (
    subjectNames(
      subject,
      anchors.subjects.filter((form) => /\{(?:id|uuid)\}/.test(form)),
    ) || immutableIds.some((name) => isPinned(claims, name))
  );
}

/** Whether a condition leaves a claim only values that can stand for somebody: ids are texts, too. */
function isPinned(claims: BindingTerms["claims"], name: string): boolean {
  const values = namedValues(claims, name);
  return values.length > 0 && values.every((value) => typeof value === "string" && /^[A-Za-z0-9_{]/.test(value));
}

function isUnderTenant(claims: BindingTerms["claims"], name: string): boolean {
  const condition = conditionOn(claims, name);
  return condition !== undefined && "prefix" in condition && namesTenant(condition.prefix, "{name}/");
}

/** The values that a condition names one by one. */
function namedValues(claims: BindingTerms["claims"], name: string): readonly Scalar[] {
  const condition = conditionOn(claims, name);
  if (!condition) return [];
  if ("equals" in condition) return [condition.equals];
  return "in" in condition ? condition.in : [];
}

function conditionOn(claims: BindingTerms["claims"], name: string): Condition | undefined {
  return claims && Object.hasOwn(claims, name) ? claims[name] : undefined;
}

export { presets };
