import { putRecent } from "../../domain/recent.ts";
import { limits } from "../../limits.ts";
import type { Clock, Limiter } from "../../platform.ts";

/** Cloudflare's rate limiting: counters that the isolates of one location share. */
interface RateLimit {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/** Named as the settings that they stand beside; each is left out at will. */
export interface RateLimitBindings {
  readonly EXCHANGES_PER_ADDRESS?: RateLimit;
  readonly REFUSALS_PER_ADDRESS?: RateLimit;
  readonly EXCHANGES_PER_ROBOT?: RateLimit;
  readonly EXCHANGES_PER_ISSUER?: RateLimit;
  readonly LOGIN_FAILURES_PER_ADDRESS?: RateLimit;
}

/** By what the names of buckets begin with. What may be given back is not here: a binding only ever takes. */
const BINDINGS: Readonly<Record<string, keyof RateLimitBindings>> = {
  address: "EXCHANGES_PER_ADDRESS",
  refusals: "REFUSALS_PER_ADDRESS",
  robot: "EXCHANGES_PER_ROBOT",
  issuer: "EXCHANGES_PER_ISSUER",
  logins: "LOGIN_FAILURES_PER_ADDRESS",
};

/** A binding does not say when there is one again. */
const PAUSE_SECONDS = 10;

/** Buckets that a binding called empty, and until when that is believed: epoch seconds. Values alone. */
export type Pauses = Map<string, number>;

/**
 * Lets the isolates of one location count together. A binding tells whether there was one to take, and nothing
 * else: looking without taking, waiting times and giving back stay with `own`, which counts for this isolate, and
 * a bucket that the binding called empty is left alone for a moment.
 */
export function shareLimits(
  own: Limiter,
  bindings: RateLimitBindings,
  { clock, pauses }: { readonly clock: Clock; readonly pauses: Pauses },
): Limiter {
  const pauseOf = (bucket: string) => Math.max(0, Math.ceil((pauses.get(bucket) ?? 0) - clock.now() / 1000));

  return {
    async take(bucket, perMinute) {
      const wait = pauseOf(bucket) || (await own.take(bucket, perMinute));
      if (wait > 0) return wait;
      const name = BINDINGS[bucket.slice(0, bucket.indexOf(":"))];
      const binding = name && bindings[name];
      if (!binding || (await binding.limit({ key: bucket })).success) return 0;
      putRecent(pauses, bucket, clock.now() / 1000 + PAUSE_SECONDS, limits.rates.buckets);
      return PAUSE_SECONDS;
    },
    async peek(bucket, perMinute) {
      return Math.max(pauseOf(bucket), await own.peek(bucket, perMinute));
    },
    giveBack: own.giveBack,
  };
}
