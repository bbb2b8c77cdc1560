import { base64url } from "jose";
import type { Refusal } from "../domain/refusal.ts";
import { outcomeOf, type RuleOutcome } from "../domain/rule.ts";
import { formatTime } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { type IssuerKey, isSignatureOf } from "./issuer-key.ts";
import type { KeyResult } from "./issuers.ts";
import type { Claims, ParsedToken } from "./token-shape.ts";

/** What an issuer may sign with unless it was registered with a list of its own (RFC 8725 §3.1). */
export const defaultAlgorithms = ["RS256", "ES256"] as const;

/** An issuer that a robot is bound to, and how far it is trusted. */
export interface Trust {
  readonly algorithms: readonly string[];
  /** Seconds from `iat` to `exp`. */
  readonly maxTokenAge: number;
  findKey(kid: string): Promise<KeyResult>;
  /** Whether a key is one of Berth's own: what it signed is no external token. */
  isOwnKey(key: IssuerKey): Promise<boolean>;
}

export interface Verification {
  readonly rules: readonly RuleOutcome[];
  /** Of the first rule that failed. */
  readonly refusal?: Refusal;
}

/**
 * Proves that an issuer signed a token which is good now: algorithm, key, signature, time, in that order.
 * Nothing is looked at after a rule that failed, but for those of time, which are told together.
 *
 * @param now gives epoch seconds; asked once the key is there, which may have had to be fetched
 */
export async function verifyToken(token: ParsedToken, trust: Trust, now: () => number): Promise<Verification> {
  const { alg, kid } = token;
  const { algorithms } = trust;
  const allowed = algorithms.includes(alg);
  const algorithm = outcomeOf(
    "algorithm",
    { expected: algorithms, found: alg },
    allowed ? undefined : { code: "alg_not_allowed", by: "issuer", alg, allowed: algorithms },
  );
  if (!allowed) return conclude([algorithm]);

  const found = await findUsableKey(token, trust);
  const key = outcomeOf("key", { expected: "a key of the issuer", found: kid }, found.ok ? undefined : found.refusal);
  if (!found.ok) return conclude([algorithm, key]);

  const valid = await hasGoodSignature(token, found.key);
  const signature = outcomeOf(
    "signature",
    { expected: "made by that key", found: valid ? "made by that key" : "another's" },
    valid ? undefined : { code: "signature_invalid" },
  );
  if (!valid) return conclude([algorithm, key, signature]);

  return conclude([algorithm, key, signature, ...timeOutcomes(token.claims, trust.maxTokenAge, now())]);
}

function conclude(rules: readonly RuleOutcome[]): Verification {
  const refusal = rules.find(({ passed }) => !passed)?.refusal;
  return { rules, ...(refusal && { refusal }) };
}

type UsableKey = { readonly ok: true; readonly key: CryptoKey } | { readonly ok: false; readonly refusal: Refusal };

async function findUsableKey({ alg, kid }: ParsedToken, { findKey, isOwnKey }: Trust): Promise<UsableKey> {
  const found = await findKey(kid);
  if (!found.ok) return found;
  const unusable = (detail: string): UsableKey => ({ ok: false, refusal: { code: "key_unusable", kid, detail } });
  const problem = found.key.problem(alg);
  if (problem) return unusable(problem);
  if (await isOwnKey(found.key)) return unusable("it is a key of this service itself");
  const key = await found.key.imported(alg);
  return key ? { ok: true, key } : unusable("it cannot be read");
}

function hasGoodSignature({ compact, alg }: ParsedToken, key: CryptoKey): Promise<boolean> {
  const end = compact.lastIndexOf(".");
  const signature = base64url.decode(compact.slice(end + 1));
  return isSignatureOf(key, alg, signature as Uint8Array<ArrayBuffer>, new TextEncoder().encode(compact.slice(0, end)));
}

/** @see RFC 7519 §4.1.4 to §4.1.6 */
export function timeOutcomes(
  { exp, iat, nbf }: Pick<Claims, "exp" | "iat" | "nbf">,
  maxTokenAge: number,
  now: number,
): RuleOutcome[] {
  const { leewaySeconds } = limits.token;
  const latest = `at the latest ${formatTime(now + leewaySeconds)}`;
  const seconds = exp - iat;
  return [
    outcomeOf(
      "expiration",
      { expected: `after ${formatTime(now - leewaySeconds)}`, found: formatTime(exp) },
      now >= exp + leewaySeconds ? { code: "expired", exp, now } : undefined,
    ),
    outcomeOf(
      "not_before",
      { expected: latest, found: nbf === undefined ? null : formatTime(nbf) },
      nbf !== undefined && now < nbf - leewaySeconds ? { code: "not_yet_valid", nbf, now } : undefined,
    ),
    outcomeOf(
      "issued_at",
      { expected: latest, found: formatTime(iat) },
      now < iat - leewaySeconds ? { code: "issued_in_future", iat, now } : undefined,
    ),
    outcomeOf(
      "lifetime",
      { expected: `at most ${maxTokenAge} seconds`, found: seconds },
      seconds > maxTokenAge ? { code: "lifetime_too_long", seconds, limit: maxTokenAge } : undefined,
    ),
  ];
}
