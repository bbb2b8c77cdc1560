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

  function seconds(): number {
    return now() / 1000;
  }

  function fullAgainAt(bucket: string): number {
    const at = fullAt.get(bucket) ?? 0;
    const latest = seconds() + WINDOW_SECONDS;
    // A clock that was set back would keep it empty until it is that time again.
    if (at > latest) fullAt.set(bucket, latest);
    return Math.min(Math.max(at, seconds()), latest);
  }

  function waitFor(bucket: string, perMinute: number): number {
    const next = fullAgainAt(bucket) + WINDOW_SECONDS / perMinute;
    return Math.max(0, Math.ceil(next - seconds() - WINDOW_SECONDS));
  }
}
