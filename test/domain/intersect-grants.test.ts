import { describe, expect, it } from "vitest";
import { formatNarrowing, type Grant, intersectGrants } from "../../src/domain/scope.ts";

const grant = (pattern: string, ...actions: string[]): Grant => ({ type: "repository", pattern, actions });
const catalog: Grant = { type: "registry", pattern: "catalog", actions: ["*"] };

describe("two narrowings leave", () => {
  it.each<[string, Grant[], Grant[], string]>([
    ["the narrower pattern", [grant("acme/*", "pull")], [grant("acme/app", "pull")], "repository:acme/app:pull"],
    ["the same pattern", [grant("acme/app", "pull")], [grant("acme/app", "pull")], "repository:acme/app:pull"],
    ["the actions of both", [grant("*", "pull", "push")], [grant("*", "push", "delete")], "repository:*:push"],
    ["nothing without an action of both", [grant("*", "pull")], [grant("*", "push")], ""],
    ["nothing of patterns that do not meet", [grant("acme/*", "pull")], [grant("other/*", "pull")], ""],
    ["the catalog", [catalog], [catalog, grant("*", "pull")], "registry:catalog:*"],
    ["nothing of another kind", [catalog], [grant("*", "*")], ""],
    [
      "no pattern that a wider one covers",
      [grant("acme/app", "pull"), grant("acme/*", "pull")],
      [grant("*", "pull")],
      "repository:acme/*:pull",
    ],
    [
      "a pattern that a wider one covers in part of its actions",
      [grant("acme/app", "pull", "push"), grant("acme/*", "pull")],
      [grant("*", "pull", "push")],
      "repository:acme/app:pull,push repository:acme/*:pull",
    ],
    [
      "of patterns that are the same, one",
      [grant("acme/*", "pull")],
      [grant("acme/*", "pull"), grant("*", "pull")],
      "repository:acme/*:pull",
    ],
  ])("%s, whichever comes first", (_, one, other, left) => {
    expect(formatNarrowing(intersectGrants(one, other))).toBe(left);
    expect(formatNarrowing(intersectGrants(other, one))).toBe(left);
  });
});
