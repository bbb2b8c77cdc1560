import type { Binding, BindingTerms } from "../../src/domain/binding.ts";
import type { VerifiedClaims } from "../../src/domain/evaluate.ts";
import type { StoredBinding } from "../../src/domain/federation.ts";
import type { JsonObject } from "../../src/domain/json.ts";

export const github = "https://token.actions.githubusercontent.com";
export const mainBranch = "repo:acme/app:ref:refs/heads/main";

/** Good terms of a binding, of which a test replaces what it is about. */
export function makeTerms(given: Partial<BindingTerms> = {}): BindingTerms {
  return {
    issuer: github,
    subject: mainBranch,
    audiences: null,
    clients: null,
    claims: null,
    tokenTtl: null,
    scope: null,
    mode: "enforce",
    api: false,
    expiresAt: null,
    ...given,
  };
}

export function makeBinding(given: Partial<Binding> = {}): Binding {
  return { id: "b1", version: 1, ...makeTerms(given), ...given };
}

export function makeStored(given: Partial<StoredBinding> = {}): StoredBinding {
  return { description: null, issuerId: "i1", ...makeBinding(given), ...given };
}

/** The claims of a verified token, as `evaluate` takes them. */
export function makeClaims(payload: JsonObject = {}, given: Partial<VerifiedClaims> = {}): VerifiedClaims {
  return { sub: mainBranch, aud: ["https://berth.example"], payload, ...given };
}
