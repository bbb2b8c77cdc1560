import { expect, it } from "vitest";
import { createCache } from "../../src/domain/cache.ts";

it("forgets the one used longest ago when it is full", () => {
  const cache = createCache<string>(3);
  for (const key of ["a", "b", "c"]) cache.set(key, key.toUpperCase());
  expect(cache.get("a")).toBe("A");
  cache.set("d", "D");
  expect(["a", "b", "c", "d"].map(cache.get)).toEqual(["A", undefined, "C", "D"]);
});

it("counts what values weigh, also of one that takes another's place", () => {
  const cache = createCache<string>(10, { weigh: (value) => value.length });
  cache.set("a", "12345678");
  cache.set("a", "1");
  cache.set("b", "123456789");
  expect([cache.get("a"), cache.get("b")]).toEqual(["1", "123456789"]);
  cache.set("c", "12");
  expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([undefined, undefined, "12"]);
});

it("keeps nothing that is heavier than all it may hold", () => {
  const cache = createCache<string>(3, { weigh: (value) => value.length });
  cache.set("a", "1234");
  expect(cache.get("a")).toBeUndefined();
});

it("forgets one, those of which something holds, or all, and has their room again", () => {
  const cache = createCache<number>(4);
  for (const n of [1, 2, 3, 4]) cache.set(String(n), n);
  cache.remove("4");
  cache.remove("5");
  cache.forget((n) => n % 2 === 1);
  expect(["1", "2", "3", "4"].map(cache.get)).toEqual([undefined, 2, undefined, undefined]);
  for (const n of [5, 6, 7]) cache.set(String(n), n);
  expect(cache.get("2")).toBe(2);
  cache.clear();
  expect(cache.get("2")).toBeUndefined();
  for (const n of [1, 2, 3, 4]) cache.set(String(n), n);
  expect(cache.get("1")).toBe(1);
});

it("forgets a group without a look at the others, whichever way its members came and went", () => {
  const cache = createCache<string>(10, { groupOf: (value) => value[0] ?? "" });
  for (const [key, value] of Object.entries({ 1: "a1", 2: "a2", 3: "b3", 4: "a4" })) cache.set(key, value);
  cache.remove("1");
  cache.set("2", "b2");
  cache.forgetGroup("a");
  cache.forgetGroup("nobody");
  expect(["1", "2", "3", "4"].map(cache.get)).toEqual([undefined, "b2", "b3", undefined]);
  cache.forgetGroup("b");
  expect(["2", "3"].map(cache.get)).toEqual([undefined, undefined]);
});
