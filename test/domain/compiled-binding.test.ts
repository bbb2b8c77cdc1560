import { expect, it } from "vitest";
import { compileBinding, createBindingCompiler } from "../../src/domain/compiled-binding.ts";
import { limits } from "../../src/limits.ts";
import { makeBinding } from "../support/terms.ts";

it("a version of a binding is compiled once, and each version by itself", () => {
  const compile = createBindingCompiler();
  const first = compile(makeBinding());
  expect(compile(makeBinding())).toBe(first);
  const second = compile(makeBinding({ version: 2, subject: "other" }));
  expect(second.matchesSubject("other")).toBe(true);
  expect(compile(makeBinding({ id: "b2" }))).not.toBe(first);
  expect(compile(makeBinding())).toBe(first);
});

it("10,000 compiled bindings are kept: the one used longest ago goes first", () => {
  const compile = createBindingCompiler();
  const all = Array.from({ length: limits.binding.compiled }, (_, index) => makeBinding({ id: `b${index}` }));
  const kept = all.map(compile);
  expect(compile(makeBinding({ id: "b0" }))).toBe(kept[0]);
  compile(makeBinding({ id: "one more" }));
  expect(compile(makeBinding({ id: "b0" }))).toBe(kept[0]);
  expect(compile(makeBinding({ id: "b2" }))).toBe(kept[2]);
  expect(compile(makeBinding({ id: "b1" }))).not.toBe(kept[1]);
});

it("a scope without claims is the same for every token", () => {
  const { narrow } = compileBinding(makeBinding({ scope: "repository:acme/app:pull" }));
  expect(narrow(() => "web")).toBe(narrow(() => undefined));
  expect(narrow(() => "web")).toEqual({
    ok: true,
    narrowed: {
      scope: "repository:acme/app:pull",
      grants: [{ type: "repository", pattern: "acme/app", actions: ["pull"] }],
    },
  });
});
