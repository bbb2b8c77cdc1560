import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  authorize,
  formatNarrowing,
  type Grant,
  intersectGrants,
  parseNarrowing,
  patternsAround,
  type ResourceActions,
  repositoriesLeftToPull,
} from "../../src/domain/scope.ts";
import { repositoryActionSet, repositoryName, repositoryPattern } from "../support/names.ts";

const repository = (name: string, ...actions: string[]): ResourceActions => ({ type: "repository", name, actions });
const grant = (pattern: string, ...actions: string[]): Grant => ({ type: "repository", pattern, actions });
const catalog: Grant = { type: "registry", pattern: "catalog", actions: ["*"] };

describe("what is granted", () => {
  it.each<[string, ResourceActions[], Grant[], ResourceActions[]]>([
    [
      "the part that is held",
      [repository("acme/app", "pull", "push", "delete")],
      [grant("acme/app", "pull", "push")],
      [repository("acme/app", "pull", "push")],
    ],
    [
      "zot's catalog, which it calls a repository without a name, to who may see the catalog",
      [repository("", "pull", "push")],
      [catalog],
      [repository("", "pull")],
    ],
    [
      "no repository without a name to who may pull all that have one",
      [repository("", "pull")],
      [grant("*", "pull")],
      [],
    ],
    ["nothing, where nothing is held", [repository("acme/app", "pull")], [], []],
    ["nothing, where another's is held", [repository("other/app", "pull")], [grant("acme/*", "pull")], []],
    [
      "what is held spelled out, where * is asked for",
      [repository("acme/app", "*")],
      [grant("acme/app", "push", "pull")],
      [repository("acme/app", "pull", "push")],
    ],
    [
      "by a prefix, only what lies below it",
      [repository("acme", "pull"), repository("acme/app", "pull"), repository("acme-evil/app", "pull")],
      [grant("acme/*", "pull")],
      [repository("acme/app", "pull")],
    ],
    [
      "the sum of the grants that cover a name",
      [repository("acme/app", "pull", "push", "delete")],
      [grant("*", "pull"), grant("acme/*", "push"), grant("acme/web", "delete")],
      [repository("acme/app", "pull", "push")],
    ],
    [
      "never by a wildcard that is asked for",
      [repository("acme/*", "pull"), repository("*", "pull")],
      [grant("*", "pull")],
      [],
    ],
    ["never for what is no repository name", [repository("Acme/App", "pull")], [grant("*", "pull")], []],
    [
      "nothing of a type that is not known",
      [{ type: "artifact", name: "acme/app", actions: ["pull"] }],
      [grant("*", "pull")],
      [],
    ],
    [
      "the catalog to who holds it",
      [{ type: "registry", name: "catalog", actions: ["*"] }],
      [catalog],
      [{ type: "registry", name: "catalog", actions: ["*"] }],
    ],
    [
      "no catalog to who holds every repository",
      [{ type: "registry", name: "catalog", actions: ["*"] }],
      [grant("*", "pull")],
      [],
    ],
    ["no repository to who holds the catalog", [repository("catalog", "pull")], [catalog], []],
    ["no other thing of the registry", [{ type: "registry", name: "other", actions: ["*"] }], [catalog], []],
    [
      "no catalog by a wildcard, which is for repositories",
      [{ type: "registry", name: "catalog", actions: ["*"] }],
      [{ ...catalog, pattern: "*" }],
      [],
    ],
  ])("is %s", (_, asked, held, granted) => {
    expect(authorize(asked, held)).toEqual(granted);
  });

  it("is cut down to what the credential was narrowed to", () => {
    const asked = [repository("acme/app", "pull", "push"), repository("acme/web", "pull")];
    expect(authorize(asked, [grant("acme/*", "pull", "push")], [grant("acme/app", "pull")])).toEqual([
      repository("acme/app", "pull"),
    ]);
    expect(authorize(asked, [grant("acme/*", "pull", "push")], [])).toEqual([]);
  });
});

const grants = fc.array(
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record({
        type: fc.constant("repository" as const),
        pattern: repositoryPattern,
        actions: repositoryActionSet,
      }),
    },
    { weight: 1, arbitrary: fc.constant(catalog) },
  ),
  { maxLength: 6 },
);
const askedActions = fc.uniqueArray(fc.constantFrom("pull", "push", "delete", "*", "admin"));
const asked = fc.uniqueArray(
  fc.oneof(
    fc.record({ type: fc.constant("repository"), name: repositoryPattern, actions: askedActions }),
    fc.record({
      type: fc.constantFrom("registry", "artifact"),
      name: fc.constantFrom("catalog", "acme/app"),
      actions: askedActions,
    }),
  ),
  { maxLength: 6, selector: ({ type, name }) => `${type}:${name}` },
);

/** The definition, one action at a time, with nothing clever about it. */
function holds(held: readonly Grant[], { type, name }: ResourceActions, action: string): boolean {
  return held.some(({ type: own, pattern, actions }) => {
    const covered =
      pattern === name || pattern === "*" || (pattern.endsWith("/*") && name.startsWith(pattern.slice(0, -1)));
    return own === type && covered && actions.includes(action);
  });
}

describe("what is granted, for any request", () => {
  it("is never more than asked, than held, or than narrowed to, and names each resource once", () => {
    fc.assert(
      fc.property(asked, grants, fc.option(grants, { nil: undefined }), (wanted, held, narrowed) => {
        const granted = authorize(wanted, held, narrowed);
        expect(new Set(granted.map(({ type, name }) => `${type}:${name}`)).size).toBe(granted.length);
        for (const resource of granted) {
          const request = wanted.find(({ type, name }) => type === resource.type && name === resource.name);
          for (const action of resource.actions) {
            expect(request?.actions.some((one) => one === action || one === "*")).toBe(true);
            expect(holds(held, resource, action)).toBe(true);
            expect(!narrowed || holds(narrowed, resource, action)).toBe(true);
          }
        }
      }),
    );
  });

  it("is all of what is asked for by name, held and narrowed to", () => {
    fc.assert(
      fc.property(repositoryName, repositoryActionSet, grants, grants, (name, actions, held, narrowed) => {
        const resource = repository(name, ...actions);
        const granted = authorize([resource], held, narrowed)[0]?.actions ?? [];
        const expected = actions.filter((action) => holds(held, resource, action) && holds(narrowed, resource, action));
        expect([...granted].sort()).toEqual([...expected].sort());
      }),
    );
  });

  it("spells out each action of a repository, in one order", () => {
    fc.assert(
      fc.property(asked, grants, (wanted, held) => {
        for (const { type, actions } of authorize(wanted, held)) {
          expect(actions.length).toBeGreaterThan(0);
          if (type === "repository")
            expect(actions).toEqual(["pull", "push", "delete"].filter((one) => actions.includes(one)));
        }
      }),
    );
  });
});

describe("two narrowings together", () => {
  it("leave what both leave, and nothing else", () => {
    fc.assert(
      fc.property(asked, grants, grants, grants, (wanted, held, one, other) => {
        const stepByStep = authorize(authorize(wanted, held, one), held, other);
        expect(authorize(wanted, held, intersectGrants(one, other))).toEqual(stepByStep);
      }),
    );
  });

  it("survive being written into a token and read again", () => {
    fc.assert(
      fc.property(grants, grants, fc.array(repositoryName), (one, other, names) => {
        const left = intersectGrants(one, other);
        const read = parseNarrowing(formatNarrowing(left));
        const wanted = [...new Set(names)].map((name) => repository(name, "*"));
        const everything = [grant("*", "pull", "push", "delete")];
        expect(read.ok && authorize(wanted, everything, read.grants)).toEqual(authorize(wanted, everything, left));
      }),
    );
  });

  it("survive it however much they overlap", () => {
    const nested = Array.from({ length: 9 }, (_, depth) => grant(`${"a/".repeat(depth + 1)}*`, "pull"));
    const left = intersectGrants(nested, nested);
    expect(parseNarrowing(formatNarrowing(left))).toMatchObject({ ok: true });
  });
});

describe("what anybody may pull", () => {
  it("makes a difference only where it covers a repository that is left to pull", () => {
    fc.assert(
      fc.property(asked, grants, fc.option(grants, { nil: undefined }), grants, (wanted, held, narrowed, others) => {
        const own = authorize(wanted, held, narrowed);
        const around = new Set(repositoriesLeftToPull(wanted, own).flatMap(patternsAround));
        const open = others.filter(({ pattern }) => pattern !== "*").map(({ pattern }) => grant(pattern, "pull"));
        const asNeeded = open.filter(({ pattern }) => around.has(pattern));
        expect(authorize(wanted, held, narrowed, asNeeded)).toEqual(authorize(wanted, held, narrowed, open));
      }),
    );
  });

  it.each<[string, ResourceActions, Grant[], string[]]>([
    ["a repository that may not be pulled", repository("acme/app", "pull"), [], ["acme/app"]],
    ["one whose every action is asked for", repository("acme/app", "*"), [grant("*", "push")], ["acme/app"]],
    ["none that is held", repository("acme/app", "pull", "push"), [grant("acme/*", "pull")], []],
    ["none that is only pushed to", repository("acme/app", "push"), [], []],
    ["no name that is none", repository("Acme/App", "pull"), [], []],
    ["no catalog", { type: "registry", name: "catalog", actions: ["*"] }, [], []],
  ])("is asked for: %s", (_, wanted, held, left) => {
    expect(repositoriesLeftToPull([wanted], authorize([wanted], held))).toEqual(left);
  });
});
