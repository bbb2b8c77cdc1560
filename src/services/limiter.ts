import { putRecent } from "../domain/recent.ts";
import { limits } from "../limits.ts";
import type { Clock, Limiter } from "../platform.ts";

const WINDOW_SECONDS = 60;

/**
 * Buckets in this process: the generic cell rate algorithm, which keeps one number for each, the time at
 * which it would be full again.
 */
export function createLimiter({ now }: Clock): Limiter {
  const fullAt = new Map<string, number>();
  let latest = 0;
  let setBack = 0;

  return {
    async take(bucket, perMinute) {
      const wait = waitFor(bucket, perMinute);
      if (wait > 0) return wait;
      const next = fullAgainAt(bucket) + WINDOW_SECONDS / perMinute;
      putRecent(fullAt, bucket, next, limits.rates.buckets);
      return 0;
    },
    async peek(bucket, perMinute) {
      return waitFor(bucket, perMinute);
    },
    async giveBack(bucket, perMinute) {
      const before = fullAgainAt(bucket) - WINDOW_SECONDS / perMinute;
      putRecent(fullAt, bucket, before, limits.rates.buckets);
    },
  };

  /** They never go back: a clock that was set back would empty every bucket. */
  function seconds(): number {
    const at = now() / 1000;
    setBack = Math.max(setBack, latest - at);
    latest = at + setBack;
    return latest;
  }

  function fullAgainAt(bucket: string): number {
    return Math.max(fullAt.get(bucket) ?? 0, seconds());
  }

  function waitFor(bucket: string, perMinute: number): number {
    const next = fullAgainAt(bucket) + WINDOW_SECONDS / perMinute;
    return Math.max(0, Math.ceil(next - seconds() - WINDOW_SECONDS));
  }
}
