import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import type { Limiter } from "../../src/platform.ts";
import { createLimiter } from "../../src/services/limiter.ts";

let now: number;
let limiter: Limiter;

beforeEach(() => {
  now = 1_800_000_000_000;
  limiter = createLimiter({ now: () => now });
});

const advance = (seconds: number) => {
  now += seconds * 1000;
};

async function drain(bucket: string, perMinute: number): Promise<number> {
  for (let taken = 0; ; taken += 1) if ((await limiter.take(bucket, perMinute)) > 0) return taken;
}

describe("a bucket", () => {
  it.each([1, 5, 60, 600])("holds a minute's worth of %d, and then has one to wait for", async (perMinute) => {
    expect(await drain("a", perMinute)).toBe(perMinute);
    expect(await limiter.take("a", perMinute)).toBe(Math.ceil(60 / perMinute));
  });

  it("fills up evenly", async () => {
    await drain("a", 6);
    advance(9);
    expect(await limiter.take("a", 6)).toBe(1);
    advance(1);
    expect(await drain("a", 6)).toBe(1);
    advance(25);
    expect(await drain("a", 6)).toBe(2);
    advance(5);
    expect(await drain("a", 6)).toBe(1);
  });

  it("holds no more than a minute's worth, however long it stands", async () => {
    await drain("a", 5);
    advance(24 * 3600);
    expect(await drain("a", 5)).toBe(5);
  });

  it("is not emptied further by those who come in vain", async () => {
    await drain("a", 5);
    for (let attempt = 0; attempt < 100; attempt += 1) await limiter.take("a", 5);
    advance(12);
    expect(await limiter.take("a", 5)).toBe(0);
  });

  it("is looked into without taking from it", async () => {
    for (let look = 0; look < 10; look += 1) expect(await limiter.peek("a", 1)).toBe(0);
    expect(await limiter.take("a", 1)).toBe(0);
    for (let look = 0; look < 10; look += 1) expect(await limiter.peek("a", 1)).toBe(60);
    advance(60);
    expect(await limiter.take("a", 1)).toBe(0);
  });

  it("is nobody else's", async () => {
    await drain("a", 5);
    expect(await drain("b", 5)).toBe(5);
  });

  it("says how long to wait: no less, and less than a second more", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 0, max: 60_000 }), async (rate, later) => {
        const bucket = `${rate} ${later}`;
        await drain(bucket, rate);
        now += later;
        await drain(bucket, rate);
        const wait = await limiter.peek(bucket, rate);
        advance(wait - 1.001);
        expect(await limiter.peek(bucket, rate)).toBeGreaterThan(0);
        advance(1.002);
        expect(await limiter.peek(bucket, rate)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it("never gives more in a stretch of time than it held at first and what came in since", async () => {
    const steps = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 120 }), steps, async (rate, pauses) => {
        const fresh = createLimiter({ now: () => now });
        const taken: number[] = [];
        for (const pause of pauses) {
          now += pause;
          if ((await fresh.take("a", rate)) === 0) taken.push(now);
        }
        for (const [first, from] of taken.entries()) {
          const [last] = taken.slice(-1);
          const cameIn = (((last ?? from) - from) / 60_000) * rate;
          expect(taken.length - first).toBeLessThanOrEqual(rate + cameIn + 0.001);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("a clock that is set back", () => {
  it("locks nobody out for longer than a bucket takes to fill", async () => {
    await drain("a", 5);
    advance(-24 * 3600);
    expect(await limiter.peek("a", 5)).toBeLessThanOrEqual(60);
    advance(60);
    expect(await limiter.take("a", 5)).toBe(0);
  });

  it("leaves every bucket as full as it was", async () => {
    await limiter.take("a", 5);
    advance(-24 * 3600);
    for (let left = 0; left < 4; left += 1) expect(await limiter.take("a", 5)).toBe(0);
    expect(await limiter.take("a", 5)).toBeGreaterThan(0);
  });
});

describe("all buckets", () => {
  it("are 100,000 at most: the one used longest ago is forgotten, and no other", async () => {
    expect(limits.rates.buckets).toBe(100_000);
    await limiter.take("oldest", 1);
    await limiter.take("older", 1);
    for (let other = 0; other < limits.rates.buckets - 2; other += 1) await limiter.take(`other ${other}`, 1);
    expect(await limiter.peek("oldest", 1)).toBe(60);
    await limiter.take("one more", 1);
    expect(await limiter.peek("oldest", 1)).toBe(0);
    expect(await limiter.peek("older", 1)).toBe(60);
  });

  it("are not forgotten while they are used", async () => {
    await limiter.take("used", 2);
    await limiter.take("unused", 2);
    for (let other = 0; other < limits.rates.buckets - 2; other += 1) await limiter.take(`other ${other}`, 2);
    await limiter.take("used", 2);
    await limiter.take("one more", 2);
    expect(await limiter.peek("used", 2)).toBe(30);
    expect(await drain("unused", 2)).toBe(2);
  });
});
