import { describe, expect, it } from "vitest";
import { type Pauses, type RateLimitBindings, shareLimits } from "../../src/ports/workers/shared-limiter.ts";
import { createLimiter } from "../../src/services/limiter.ts";
import { createTestClock } from "../support/berth.ts";

/** A location with a counter, and its isolates. */
function startLocation(limit: number) {
  const clock = createTestClock();
  const asked: string[] = [];
  const counter = {
    async limit({ key }: { key: string }) {
      asked.push(key);
      return { success: asked.filter((one) => one === key).length <= limit };
    },
  };
  const bindings: RateLimitBindings = { EXCHANGES_PER_ROBOT: counter, REFUSALS_PER_ADDRESS: counter };
  const isolate = () => {
    const pauses: Pauses = new Map();
    return shareLimits(createLimiter(clock), bindings, { clock, pauses });
  };
  return { clock, asked, isolate };
}

describe("limits on Workers", () => {
  it("are counted by the isolates of a location together", async () => {
    const { isolate } = startLocation(3);
    const [one, other] = [isolate(), isolate()];
    for (const limiter of [one, other, one]) expect(await limiter.take("robot:ci", 100)).toBe(0);
    expect(await other.take("robot:ci", 100)).toBe(10);
    expect(await other.peek("robot:ci", 100)).toBe(10);
    expect(await other.take("robot:else", 100)).toBe(0);
  });

  it("ask the counter again after a pause, and not before", async () => {
    const { clock, asked, isolate } = startLocation(1);
    const limiter = isolate();
    await limiter.take("robot:ci", 100);
    expect(await limiter.take("robot:ci", 100)).toBe(10);
    expect(await limiter.take("robot:ci", 100)).toBe(10);
    expect(asked).toHaveLength(2);
    clock.advance(10);
    expect(await limiter.peek("robot:ci", 100)).toBe(0);
    await limiter.take("robot:ci", 100);
    expect(asked).toHaveLength(3);
  });

  it("hold in one isolate by themselves, and leave the counter what they refuse", async () => {
    const { asked, isolate } = startLocation(100);
    const limiter = isolate();
    for (let taken = 0; taken < 2; taken += 1) expect(await limiter.take("refusals:a", 2)).toBe(0);
    expect(await limiter.peek("refusals:a", 2)).toBe(30);
    expect(await limiter.take("refusals:a", 2)).toBe(30);
    expect(asked).toHaveLength(2);
  });

  it("count in the isolate alone what may be given back, and what nothing is bound for", async () => {
    const { asked, isolate } = startLocation(0);
    const limiter = isolate();
    for (const bucket of ["guesses:a", "guesses:a:name", "address:a", "unknown"]) {
      expect(await limiter.take(bucket, 1)).toBe(0);
      expect(await limiter.take(bucket, 1)).toBe(60);
      await limiter.giveBack(bucket, 1);
      expect(await limiter.peek(bucket, 1)).toBe(0);
    }
    expect(asked).toEqual([]);
  });
});
