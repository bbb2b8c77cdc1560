import type { Condition, Scalar } from "./binding.ts";

/** What is known of a provider of tokens: data, so that another provider is another entry. */
export interface Preset {
  readonly id: string;
  readonly name: string;
  /** Forms of the issuer, with placeholders such as `{region}`; none where it cannot be told by its URL. */
  readonly issuers: readonly string[];
  /** Whether tenants who know nothing of each other share one issuer string. */
  readonly shared: boolean;
  readonly anchors: TenantAnchors;
  /** Claims that outlive a name: with a condition on one of them, a recycled name opens nothing. */
  readonly immutableIds: readonly string[];
  /** Whether a token is used once by default: it needs a `jti`, and a token for each use. */
  readonly replayProtection: boolean;
  /** How to ask for a token that is meant for this service, and what it says otherwise. */
  readonly audience: string;
  /** Claims worth keeping beside an audit record: none is secret, none names a person. */
  readonly claims: readonly string[];
  /** Values of a claim that are refused unless a condition of the binding names them. */
  readonly guarded?: { readonly claim: string; readonly values: readonly Scalar[] };
  /** A safe binding, with placeholders. */
  readonly example: PresetExample;
  /** The provider's own page. */
  readonly documentation: string;
}

/** What ties a binding to one tenant of an issuer. */
export interface TenantAnchors {
  /** Claims that hold the name or id of a tenant, or of what belongs to one alone. */
  readonly claims: readonly string[];
  /** Claims that hold a path, which begins with the tenant's name and `/`. */
  readonly paths: readonly string[];
  /** How a subject begins that names its tenant, with `{name}`, `{id}` or `{uuid}` in the tenant's place. */
  readonly subjects: readonly string[];
}

export interface PresetExample {
  readonly issuer: string;
  readonly subject: string;
  readonly audiences?: readonly string[];
  readonly clients?: readonly string[];
  readonly claims?: Readonly<Record<string, Condition>>;
}
