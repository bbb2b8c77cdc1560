import type { Refusal } from "./domain/refusal.ts";
import { formatTime } from "./domain/text.ts";

/** What the caller of the exchange is told (RFC 6749 §5.2, RFC 8693 §2.2.2). */
export interface Telling {
  readonly status: 400 | 401 | 429 | 503;
  /** The OAuth error code. */
  readonly error: string;
  /** Berth's own, finer code; `token_refused` for all that the caller has not proved enough to know. */
  readonly code: string;
  readonly message: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

const UNPROVED: Telling = {
  status: 400,
  error: "invalid_request",
  code: "token_refused",
  message:
    "The token was refused. Check the robot's name, that it is bound to the token's issuer, and that the token is the issuer's own; the audit log has the reason under this request_id.",
};

/**
 * What a refusal says to its caller: it grows with what the caller has proved. Facts of the token alone are
 * told at once; whether a robot exists, and whom it trusts, only once a signature was verified for it.
 */
export function tellCaller(refusal: Refusal): Telling {
  const refused = (message: string): Telling => ({
    status: 400,
    error: "invalid_request",
    code: refusal.code,
    message,
  });

  switch (refusal.code) {
    case "credential_missing":
      return {
        ...refused("Send the robot's name and its OIDC token by Basic authentication: org+robot:TOKEN."),
        status: 401,
        error: "invalid_client",
      };
    case "credential_unreadable":
      return {
        ...refused(`The credential cannot be read: ${refusal.detail}.`),
        status: 401,
        error: "invalid_client",
      };
    case "token_too_large":
      return refused(
        `The token${refusal.part === "header" ? "'s header" : ""} has ${refusal.bytes} bytes; ${refusal.limit} are allowed.`,
      );
    case "token_malformed":
      return refused(`The token cannot be read: ${refusal.detail}.`);
    case "token_json_invalid":
      return refused(`The token's ${refusal.part} is not acceptable JSON: ${refusal.detail}.`);
    case "header_not_allowed":
      return refused(`The token's header parameter ${refusal.parameter} is not acceptable: ${refusal.detail}.`);
    case "kid_missing":
      return refused("The token's header names no key (kid).");
    case "claim_invalid":
      return refused(`The token's claim ${refusal.claim} is not acceptable: ${refusal.detail}.`);
    case "alg_not_allowed":
      return refusal.by === "issuer"
        ? UNPROVED
        : refused(
            `The token's algorithm ${quote(refusal.alg)} is not accepted; accepted are ${list(refusal.allowed)}.`,
          );

    case "robot_unknown":
    case "robot_disabled":
    case "issuer_unbound":
    case "issuer_disabled":
    case "key_unknown":
    case "key_unusable":
    case "signature_invalid":
      return UNPROVED;
    case "robot_unbound":
      return refusal.auditOnly
        ? refused("Every binding of this robot to the token's issuer is in audit mode, which mints nothing.")
        : UNPROVED;

    case "issuer_unreachable":
    case "issuer_keys_invalid":
      return {
        status: 503,
        error: "temporarily_unavailable",
        code: refusal.code,
        message: `The keys of the issuer ${refusal.issuer} cannot be had right now. Try again in ${refusal.retryAfter} s; the audit log has the cause under this request_id.`,
        retryAfter: refusal.retryAfter,
      };

    case "replayed":
      return refused(
        `The token was used for this robot before, at ${formatTime(refusal.at)} in the request ${refusal.requestId}, and this issuer's tokens are good once. Ask the platform for a new one for each exchange.`,
      );
    case "rate_limited":
      return {
        status: 429,
        error: "temporarily_unavailable",
        code: refusal.code,
        message: `${TOO_MANY[refusal.by]} Try again in ${refusal.retryAfter} s.`,
        retryAfter: refusal.retryAfter,
      };

    case "trust_changed":
      return {
        status: 503,
        error: "temporarily_unavailable",
        code: refusal.code,
        message: "The robot's bindings, or their issuer, are being changed at this moment. Try again shortly.",
        retryAfter: refusal.retryAfter,
      };

    case "expired":
      return refused(
        `The token expired at ${formatTime(refusal.exp)}; it is ${formatTime(refusal.now)} now. Ask the platform for a new one.`,
      );
    case "not_yet_valid":
      return refused(
        `The token is good from ${formatTime(refusal.nbf)} (nbf) on; it is ${formatTime(refusal.now)} now.`,
      );
    case "issued_in_future":
      return refused(
        `The token says it was issued at ${formatTime(refusal.iat)} (iat); it is ${formatTime(refusal.now)} now.`,
      );
    case "lifetime_too_long":
      return refused(`The token lives ${refusal.seconds} seconds (exp − iat); at most ${refusal.limit} are allowed.`);

    case "audience_mismatch":
      return refused(audienceMessage(refusal.expected, refusal.found));
    case "client_mismatch":
      return refused(
        `The token was issued to the client ${list(refusal.found)} (azp, client_id or appid), and the binding accepts another. Add it to the binding's clients, or ask with a client that is listed.`,
      );
    case "subject_mismatch":
      return refused(
        `The token's subject (sub) is ${quote(refusal.found)}, and no binding of this robot to its issuer has that subject. Bind it, or use the robot that it is bound to.`,
      );
    case "claim_mismatch":
      return refused(
        refusal.guarded
          ? `The token's claim ${refusal.claim} is ${refusal.found}, which is refused unless a condition of the binding on ${refusal.claim} names it: such a run may be under the control of somebody else.`
          : `The token's claim ${refusal.claim} is ${refusal.found}, which the binding's condition on it does not accept.`,
      );
    case "binding_expired":
      return refused(`The binding expired at ${formatTime(refusal.at)}. Set a later expires_at on it.`);
    case "scope_invalid":
      return {
        ...refused(`The scope ${quote(refusal.scope)} cannot be used: ${refusal.detail}.`),
        error: "invalid_scope",
      };
    default:
      return unreachable(refusal);
  }
}

/** The whole reason, for whoever may see it: who edits the robot, or reads the audit log. */
export function describeRefusal(refusal: Refusal): string {
  switch (refusal.code) {
    case "robot_unknown":
      return "There is no robot of that name.";
    case "robot_disabled":
      return "The robot is disabled.";
    case "robot_unbound":
      return refusal.auditOnly ? tellCaller(refusal).message : "The robot is bound to nobody.";
    case "issuer_unbound":
      return `The robot has no binding to the issuer ${quote(refusal.issuer)}. Issuers are compared character by character: check the end of the path and the case.`;
    case "issuer_disabled":
      return refusal.why === "disabled"
        ? `The issuer ${quote(refusal.issuer)} is disabled.`
        : `The issuer ${quote(refusal.issuer)} is not registered, and only registered ones are trusted here (BERTH_ISSUER_POLICY).`;
    case "issuer_unreachable":
    case "issuer_keys_invalid":
      return `The issuer's keys cannot be had: ${refusal.detail}.`;
    case "alg_not_allowed":
      return `The issuer may not sign with ${quote(refusal.alg)}; it may with ${list(refusal.allowed)}.`;
    case "key_unknown":
      return `The issuer has no key with the kid ${quote(refusal.kid)}.`;
    case "key_unusable":
      return `The issuer's key ${quote(refusal.kid)} must not be used: ${refusal.detail}.`;
    case "signature_invalid":
      return "The signature is not that key's.";
    default:
      return tellCaller(refusal).message;
  }
}

const TOO_MANY = {
  address: "Too many attempts, or too many that were refused, come from this address.",
  robot: "This robot's tokens are asked for too often.",
  issuer: "Too many of this issuer's tokens come in.",
};

function audienceMessage(expected: readonly string[], found: readonly string[]): string {
  const owner = found.find((audience) => /^https:\/\/github\.com\/[^/]+$/.test(audience));
  const given = found.length > 0 ? `was meant for ${list(found)}` : "names no audience";
  const mend = owner
    ? `${quote(owner)} is what GitHub gives when no audience is asked for: ask for ${list(expected)}.`
    : `Ask the platform for a token with the audience ${list(expected)}, or name the token's own in the binding's audiences.`;
  return `The token ${given} (aud). ${mend}`;
}

function list(values: readonly string[]): string {
  return values.length === 0 ? "(none)" : values.map(quote).join(", ");
}

function quote(value: string): string {
  return `"${value}"`;
}

function unreachable(value: never): never {
  throw new Error(`unhandled refusal ${JSON.stringify(value)}`);
}
