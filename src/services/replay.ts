import { presetOf } from "../domain/presets.ts";
import type { Refusal } from "../domain/refusal.ts";
import type { Issuer } from "../store/issuers.ts";
import type { UsedToken } from "../store/used-tokens.ts";

/** Whether an issuer's tokens are good once for each robot: as it was registered, else by its preset. */
export function hasReplayProtection({ issuer, preset, replayProtection }: Issuer): boolean {
  return replayProtection ?? presetOf(issuer, preset)?.replayProtection ?? false;
}

/** Why a token of a protected issuer is refused, or `undefined`. */
export function replayRefusal(jti: string | undefined, earlier: UsedToken | undefined): Refusal | undefined {
  if (jti === undefined) {
    return { code: "claim_invalid", claim: "jti", detail: "it is missing, and this issuer's tokens are good once" };
  }
  return earlier && { code: "replayed", jti, at: earlier.usedAt.getTime() / 1000, requestId: earlier.requestId };
}
