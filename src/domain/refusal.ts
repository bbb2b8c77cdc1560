/**
 * Why an external token opened nothing: one stable code per rule, with the facts that the rule saw.
 * Times are epoch seconds.
 */
export type Refusal =
  | { readonly code: "credential_missing" }
  | { readonly code: "credential_unreadable"; readonly detail: string }
  | {
      readonly code: "token_too_large";
      readonly part: "token" | "header";
      readonly bytes: number;
      readonly limit: number;
    }
  | { readonly code: "token_malformed"; readonly detail: string }
  | { readonly code: "token_json_invalid"; readonly part: TokenPart; readonly detail: string }
  | { readonly code: "header_not_allowed"; readonly parameter: string; readonly detail: string }
  | {
      readonly code: "alg_not_allowed";
      /** Whether no issuer at all may use it, or this one may not: the latter says who is trusted. */
      readonly by: "format" | "issuer";
      readonly alg: string;
      readonly allowed: readonly string[];
    }
  | { readonly code: "kid_missing" }
  | { readonly code: "claim_invalid"; readonly claim: string; readonly detail: string }
  | { readonly code: "robot_unknown" }
  | { readonly code: "robot_disabled" }
  | { readonly code: "robot_unbound"; readonly auditOnly: boolean }
  | { readonly code: "issuer_unbound"; readonly issuer: string }
  | { readonly code: "issuer_disabled"; readonly issuer: string; readonly why: "disabled" | "not_registered" }
  | {
      readonly code: "issuer_unreachable";
      readonly issuer: string;
      readonly detail: string;
      readonly retryAfter: number;
    }
  | {
      readonly code: "issuer_keys_invalid";
      readonly issuer: string;
      readonly detail: string;
      readonly retryAfter: number;
      /** The issuer that its discovery document names instead. */
      readonly named?: string;
    }
  | { readonly code: "key_unknown"; readonly kid: string }
  | { readonly code: "key_unusable"; readonly kid: string; readonly detail: string }
  | { readonly code: "signature_invalid" }
  | { readonly code: "expired"; readonly exp: number; readonly now: number }
  | { readonly code: "not_yet_valid"; readonly nbf: number; readonly now: number }
  | { readonly code: "issued_in_future"; readonly iat: number; readonly now: number }
  | { readonly code: "lifetime_too_long"; readonly seconds: number; readonly limit: number }
  | BindingRefusal
  | {
      /** Epoch seconds, and the request, of the earlier use. */
      readonly code: "replayed";
      readonly jti: string;
      readonly at: number;
      readonly requestId: string;
    }
  /** Robot, binding or issuer were changed while the token was judged, and again, and again. */
  | { readonly code: "trust_changed"; readonly retryAfter: number }
  | { readonly code: "rate_limited"; readonly by: "address" | "robot" | "issuer"; readonly retryAfter: number };

/** The refusals that only a binding can give: the token itself was verified. */
export type BindingRefusal =
  | { readonly code: "audience_mismatch"; readonly expected: readonly string[]; readonly found: readonly string[] }
  | { readonly code: "client_mismatch"; readonly expected: readonly string[]; readonly found: readonly string[] }
  | { readonly code: "subject_mismatch"; readonly expected: string; readonly found: string }
  | {
      readonly code: "claim_mismatch";
      readonly claim: string;
      readonly expected: string;
      readonly found: string;
      /** Refused although no condition says so: one that names the value would let it pass. */
      readonly guarded?: true;
    }
  | { readonly code: "binding_expired"; readonly at: number; readonly now: number }
  | { readonly code: "scope_invalid"; readonly scope: string; readonly detail: string };

export type TokenPart = "header" | "payload";
