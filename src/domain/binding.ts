import { limits } from "../limits.ts";
import { type IssuerRules, issuerProblem } from "./issuer.ts";
import type { Json } from "./json.ts";
import { isRepositoryName } from "./names.ts";
import { parseNarrowing } from "./scope.ts";
import { isPlainText } from "./text.ts";

export type Scalar = string | number | boolean;

/** One test of one claim. Types are compared too, and a claim that is not there matches nothing. */
export type Condition =
  | { readonly equals: Scalar }
  | { readonly in: readonly Scalar[] }
  | { readonly prefix: string }
  | { readonly contains: Scalar };

/** What decides whether a token passes and what it gets: a change to any of it is a new version. */
export interface BindingTerms {
  /** Compared byte by byte. */
  readonly issuer: string;
  /** Exact, or ending in `*` after `:` or `/`. */
  readonly subject: string;
  /** `null`: those of the organization, else of the service. Empty: any, where `clients` names some. */
  readonly audiences: readonly string[] | null;
  readonly clients: readonly string[] | null;
  readonly claims: Readonly<Record<string, Condition>> | null;
  /** Seconds a robot token lives; `null`: as configured. */
  readonly tokenTtl: number | null;
  /** Narrows what the robot holds: the registry's scope grammar, which may name claims as `{claim}`. */
  readonly scope: string | null;
  /** `audit` never mints. */
  readonly mode: "enforce" | "audit";
  /** Whether robot tokens minted by it open the management API, with the robot's role. */
  readonly api: boolean;
  /** Epoch seconds. */
  readonly expiresAt: number | null;
}

export interface Binding extends BindingTerms {
  readonly id: string;
  readonly version: number;
}

/** What is wrong with a value, and where: a JSON path inside the thing that was sent. */
export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface BindingRules extends IssuerRules {
  /** The longest that a robot token may live, in seconds. */
  readonly maxTokenTtl: number;
}

/** Every problem of a binding's terms, told at once. */
export function bindingProblems(terms: BindingTerms, rules: BindingRules): Problem[] {
  const problems: Problem[] = [];
  const check = (path: Problem["path"], message: string | undefined) => {
    if (message) problems.push({ path, message });
  };
  check(["issuer"], issuerProblem(terms.issuer, rules));
  check(["subject"], subjectProblem(terms.subject));
  check(["audiences"], audiencesProblem(terms));
  for (const [name, condition] of Object.entries(terms.claims ?? {})) {
    check(["claims", name], conditionProblem(condition));
  }
  if (
    terms.tokenTtl !== null &&
    !(terms.tokenTtl >= limits.robotToken.minSeconds && terms.tokenTtl <= rules.maxTokenTtl)
  ) {
    check(["token_ttl"], `must lie between ${limits.robotToken.minSeconds} and ${rules.maxTokenTtl} seconds`);
  }
  check(["scope"], terms.scope === null ? undefined : scopeProblem(terms.scope));
  return problems;
}

/** Why audiences and clients together would let anybody's token in, or `undefined`. */
export function audiencesProblem({
  audiences,
  clients,
}: Pick<BindingTerms, "audiences" | "clients">): string | undefined {
  return audiences?.length === 0 && !clients?.length
    ? "may be empty only where clients names at least one client: a token must be meant for someone"
    : undefined;
}

/** What deserves a second look although it is allowed. */
export function bindingWarnings(terms: BindingTerms): string[] {
  return terms.audiences?.includes("account") && !terms.clients?.length
    ? [
        'The audience "account" is in every access token that Keycloak gives as it ships, whatever client asked for it. Add an audience mapper for this service, or name the client in "clients".',
      ]
    : [];
}

function subjectProblem(subject: string): string | undefined {
  if (subject === "" || subject.length > limits.subject) return `must have 1 to ${limits.subject} characters`;
  if (!isPlainText(subject)) return "must not hold control characters";
  if (subject.includes("*") && !/^[^*]+[:/]\*$/.test(subject)) {
    return "may hold * only as its last character, after : or /";
  }
  return undefined;
}

function conditionProblem(condition: Condition): string | undefined {
  const operands: readonly Scalar[] = "in" in condition ? condition.in : Object.values(condition);
  if (operands.length === 0) return "in must list at least one value";
  if (operands.includes("")) return "must not compare with an empty text";
  if (operands.some((operand) => typeof operand === "number" && Math.abs(operand) > Number.MAX_SAFE_INTEGER)) {
    return "must not compare with a number beyond 2^53, which stands for its neighbours too";
  }
  return "prefix" in condition && /[\p{L}\p{N}]$/u.test(condition.prefix)
    ? "prefix must end at a delimiter, such as / or :"
    : undefined;
}

const CLAIM_IN_SCOPE = /\{([^{}\s]+)\}/g;

/** The names of the claims that a binding's scope puts in. */
export function claimsInScope(scope: string): string[] {
  return Array.from(scope.matchAll(CLAIM_IN_SCOPE), ([, name = ""]) => name);
}

function scopeProblem(scope: string): string | undefined {
  const parsed = parseNarrowing(scope.replaceAll(CLAIM_IN_SCOPE, "claim"));
  return parsed.ok ? undefined : `holds what is no scope of a repository: ${parsed.scope}`;
}

/**
 * Puts the token's claims into a binding's scope. A claim must be a text that could name a repository
 * by itself, so that no value can add a scope, an action or a wildcard.
 */
export function expandScope(
  scope: string,
  claim: (name: string) => Json | undefined,
): { ok: true; scope: string } | { ok: false; detail: string } {
  let detail: string | undefined;
  const expanded = scope.replaceAll(CLAIM_IN_SCOPE, (_, name: string) => {
    const value = claim(name);
    if (typeof value === "string" && isRepositoryName(value)) return value;
    detail ??= `the claim ${name} is no repository name`;
    return "";
  });
  return detail === undefined ? { ok: true, scope: expanded } : { ok: false, detail };
}

/** Whether two sets of terms decide alike. */
export function sameTerms(one: BindingTerms, other: BindingTerms): boolean {
  return canonicalTerms(one) === canonicalTerms(other);
}

/** The terms as one text, the same for all that decide alike, in whatever order their claims were written. */
export function canonicalTerms(terms: BindingTerms): string {
  const { issuer, subject, audiences, clients, claims, tokenTtl, scope, mode, api, expiresAt } = terms;
  const conditions = Object.entries(claims ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([issuer, subject, audiences, clients, conditions, tokenTtl, scope, mode, api, expiresAt]);
}
