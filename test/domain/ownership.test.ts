import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRepositoryName } from "../../src/domain/names.ts";
import { ownsPattern } from "../../src/domain/ownership.ts";
import { authorize, isRepositoryPattern } from "../../src/domain/scope.ts";
import { repositoryName, repositoryPattern } from "../support/names.ts";

const acme = { name: "acme", repositoryPrefixes: [] };
const legacy = (...repositoryPrefixes: string[]) => ({ name: "acme", repositoryPrefixes });

describe("an organization owns", () => {
  it.each(["acme/app", "acme/a/b", "acme/*", "acme/a/*"])("what is below its name: %s", (pattern) => {
    expect(ownsPattern(acme, pattern)).toBe(true);
  });

  it.each(["acme", "acmes/app", "other/acme/app", "other/*", "*", "/*", "", "acme*"])("not %j", (pattern) => {
    expect(ownsPattern(acme, pattern)).toBe(false);
  });

  it.each(["legacy", "legacy/a", "legacy/*", "legacy/a/*"])(
    "by a further prefix, with the name itself: %s",
    (pattern) => {
      expect(ownsPattern(legacy("legacy"), pattern)).toBe(true);
    },
  );

  it.each(["legacy/", "legacy/*"])("by the prefix %s, only what is below", (prefix) => {
    expect(ownsPattern(legacy(prefix), "legacy")).toBe(false);
    for (const pattern of ["legacy/a", "legacy/*", "legacy/a/*"]) {
      expect(ownsPattern(legacy(prefix), pattern)).toBe(true);
    }
  });

  it.each(["legacy2", "legacy2/a", "legac/*", "*", "a/legacy"])("by a prefix no neighbour: %s", (pattern) => {
    for (const prefix of ["legacy", "legacy/", "legacy/*"]) expect(ownsPattern(legacy(prefix), pattern)).toBe(false);
  });

  it("a pattern, if and only if it owns every name that the pattern covers", () => {
    const prefix = fc.tuple(repositoryName, fc.constantFrom("", "/", "/*")).map((parts) => parts.join(""));
    const owner = fc.record({ name: fc.constantFrom("acme", "app"), repositoryPrefixes: fc.array(prefix) });
    fc.assert(
      fc.property(owner, repositoryPattern, repositoryName, (organization, pattern, name) => {
        if (!ownsPattern(organization, pattern)) return;
        expect(isRepositoryPattern(pattern)).toBe(true);
        const asked = [{ type: "repository", name, actions: ["pull"] }];
        const covered = authorize(asked, [{ type: "repository", pattern, actions: ["pull"] }]).length > 0;
        if (covered) expect(ownsPattern(organization, name)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(owner, repositoryName, (organization, name) => {
        const below = `${name}/x-not-said`;
        expect(isRepositoryName(below)).toBe(true);
        expect(ownsPattern(organization, `${name}/*`)).toBe(ownsPattern(organization, below));
      }),
    );
  });
});
