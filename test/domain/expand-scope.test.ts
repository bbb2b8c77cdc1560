import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expandScope } from "../../src/domain/binding.ts";
import type { Json } from "../../src/domain/json.ts";
import { parseNarrowing } from "../../src/domain/scope.ts";
import { repositoryName } from "../support/names.ts";

function expand(scope: string, claims: Readonly<Record<string, Json>>) {
  return expandScope(scope, (name) => claims[name]);
}

describe("a claim in a binding's scope", () => {
  it("becomes part of a repository's name", () => {
    expect(expand("repository:acme/{project_path}:pull,push", { project_path: "team/app" })).toEqual({
      ok: true,
      scope: "repository:acme/team/app:pull,push",
    });
  });

  it("may occur several times, and several may occur", () => {
    expect(expand("repository:{ns}/{app}:pull repository:{ns}/base:pull", { ns: "acme", app: "web" })).toEqual({
      ok: true,
      scope: "repository:acme/web:pull repository:acme/base:pull",
    });
  });

  it.each<[string, Json | undefined]>([
    ["is missing", undefined],
    ["is empty", ""],
    ["is no text", 7],
    ["is a list", ["app"]],
    ["holds an upper-case letter", "Team/App"],
    ["is a wildcard", "*"],
    ["ends in a wildcard", "team/*"],
    ["brings actions", "app:pull,push,delete"],
    ["brings a scope", "app:pull repository:other/app"],
    ["brings a claim of its own", "{other}"],
    ["goes up", "../other"],
    ["starts at the root", "/other"],
    ["ends in a line break", "app\n"],
  ])("refuses the token where it %s", (_, value) => {
    const claims = value === undefined ? {} : { project_path: value };
    expect(expand("repository:acme/{project_path}:pull", claims).ok).toBe(false);
  });

  it("is told by the name of the first that could not be put in", () => {
    expect(expand("repository:{team}/{app}/{part}:pull", { team: "acme", app: "App", part: 1 })).toEqual({
      ok: false,
      detail: "the claim app is no repository name",
    });
  });

  it("is put in as it stands, not as a pattern of replacement", () => {
    expect(expand("repository:acme/{name}:pull", { name: "$&" }).ok).toBe(false);
  });

  it("adds no scope, no action and no wildcard, whatever its value", () => {
    const hostile = fc.oneof(
      repositoryName,
      fc.string({ unit: fc.constantFrom("a", "/", ":", " ", ",", "*", "{", "}", "pull", "push", "$", "\n", "-", ".") }),
      fc.string({ unit: "binary" }),
      fc.jsonValue() as fc.Arbitrary<Json>,
    );
    const template = fc.constantFrom(
      "repository:acme/{claim}:pull",
      "repository:{claim}/app:pull",
      "repository:{claim}:pull",
      "repository:acme/{claim}-{claim}:pull",
    );
    fc.assert(
      fc.property(template, hostile, (scope, value) => {
        const expanded = expand(scope, { claim: value });
        if (!expanded.ok) return;
        const read = parseNarrowing(expanded.scope);
        if (!read.ok) return;
        expect(read.grants).toHaveLength(1);
        expect(read.grants[0]?.actions).toEqual(["pull"]);
        expect(read.grants[0]?.pattern).not.toContain("*");
        expect(read.grants[0]?.pattern.startsWith(scope.slice("repository:".length, scope.indexOf("{")))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
