import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatScope, parseScopes, type ResourceActions } from "../../src/domain/scope.ts";
import { limits } from "../../src/limits.ts";
import { repositoryActionSet, repositoryName } from "../support/names.ts";

function read(...values: string[]): readonly ResourceActions[] {
  const result = parseScopes(values);
  if (!result.ok) throw new Error(`${result.reason}: ${result.scope}`);
  return result.resources;
}

const longest = `repository:${"a".repeat(limits.scopeBytes - "repository::pull".length)}:pull`;

describe("scope parameters", () => {
  const both: ResourceActions[] = [
    { type: "repository", name: "acme/app", actions: ["pull", "push"] },
    { type: "repository", name: "acme/web", actions: ["pull"] },
  ];

  it("come repeated", () => {
    expect(read("repository:acme/app:pull,push", "repository:acme/web:pull")).toEqual(both);
  });

  it("come separated by spaces in one value", () => {
    expect(read("repository:acme/app:pull,push repository:acme/web:pull")).toEqual(both);
  });

  it("come both ways, with spaces to spare", () => {
    expect(read("", "  repository:acme/app:pull,push ", "repository:acme/web:pull", " ")).toEqual(both);
  });

  it("may be none at all", () => {
    expect(read()).toEqual([]);
    expect(read("")).toEqual([]);
  });

  it("may repeat a resource, whose actions then add up", () => {
    expect(read("repository:acme/app:pull", "repository:acme/app:push,pull")).toEqual([
      { type: "repository", name: "acme/app", actions: ["pull", "push"] },
    ]);
  });

  it("merge a resource with the same one of another class", () => {
    expect(read("repository(plugin):acme/app:pull repository:acme/app:push")).toEqual([
      { type: "repository", name: "acme/app", actions: ["pull", "push"] },
    ]);
  });

  it.each<[string, ResourceActions]>([
    ["repository:acme/app:pull", { type: "repository", name: "acme/app", actions: ["pull"] }],
    ["repository:acme/app:push,pull", { type: "repository", name: "acme/app", actions: ["push", "pull"] }],
    ["repository:acme/app:*", { type: "repository", name: "acme/app", actions: ["*"] }],
    ["repository:acme/app:", { type: "repository", name: "acme/app", actions: [] }],
    ["registry:catalog:*", { type: "registry", name: "catalog", actions: ["*"] }],
    [
      "repository:registry.example:5000/acme/app:pull",
      { type: "repository", name: "registry.example:5000/acme/app", actions: ["pull"] },
    ],
    ["repository(plugin):acme/app:pull", { type: "repository", name: "acme/app", actions: ["pull"] }],
    ["a:acme/app:pull", { type: "a", name: "acme/app", actions: ["pull"] }],
    [longest, { type: "repository", name: longest.slice("repository:".length, -":pull".length), actions: ["pull"] }],
    ["artifact:acme/chart:read", { type: "artifact", name: "acme/chart", actions: ["read"] }],
  ])("read %s", (scope, resource) => {
    expect(read(scope)).toEqual([resource]);
  });

  it.each([
    "repository",
    "repository:acme/app",
    ":acme/app:pull",
    "Repository:acme/app:pull",
    "repository(:acme/app:pull",
    "repository():acme/app:pull",
    "repository(plugin)s:acme/app:pull",
    "repository:acme/app:pull,PULL",
    "repository:acme/app:PULL",
    "repository:acme/app:pull;push",
    "repository:acme/app:pull\n",
    `${longest}s`,
  ])("do not read %j", (scope) => {
    expect(parseScopes([`repository:acme/app:pull ${scope}`])).toMatchObject({ ok: false, reason: "malformed" });
  });

  it("are 64 at most, however they come", () => {
    const scopes = Array.from({ length: 65 }, (_, index) => `repository:acme/app-${index}:pull`);
    expect(parseScopes(scopes.slice(1)).ok).toBe(true);
    expect(parseScopes(scopes)).toEqual({ ok: false, reason: "too_many", scope: "" });
    expect(parseScopes([scopes.join(" ")])).toMatchObject({ ok: false, reason: "too_many" });
  });

  it("are read back as they are written", () => {
    const resource = fc.record({ type: fc.constant("repository"), name: repositoryName, actions: repositoryActionSet });
    fc.assert(
      fc.property(resource, (one) => {
        expect(read(formatScope(one))).toEqual([one]);
      }),
    );
  });

  it("are read or refused, and never break", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), (values) => {
        expect(parseScopes(values)).toHaveProperty("ok");
      }),
    );
  });
});
