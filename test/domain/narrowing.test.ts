import { describe, expect, it } from "vitest";
import { isRepositoryPattern, parseNarrowing } from "../../src/domain/scope.ts";

describe("a narrowing scope", () => {
  it.each([
    ["repository:acme/app:pull", [{ type: "repository", pattern: "acme/app", actions: ["pull"] }]],
    ["repository:acme/*:pull,push", [{ type: "repository", pattern: "acme/*", actions: ["pull", "push"] }]],
    ["repository:*:pull", [{ type: "repository", pattern: "*", actions: ["pull"] }]],
    ["repository:acme/app:*", [{ type: "repository", pattern: "acme/app", actions: ["pull", "push", "delete"] }]],
    ["registry:catalog:*", [{ type: "registry", pattern: "catalog", actions: ["*"] }]],
    ["", []],
  ])("reads %j", (scope, grants) => {
    expect(parseNarrowing(scope)).toEqual({ ok: true, grants });
  });

  it.each([
    "repository:acme/app",
    "repository:acme/app:admin",
    "repository:Acme/App:pull",
    "repository:acme*:pull",
    "repository:acme/*/app:pull",
    "repository:/*:pull",
    "registry:other:*",
    "registry:catalog:pull",
    "registry:catalog:*,pull",
    "repository:acme/app:pull,admin",
    "artifact:acme/app:pull",
    "openid profile",
  ])("does not read %j", (scope) => {
    expect(parseNarrowing(scope).ok).toBe(false);
  });
});

describe("a pattern of repositories", () => {
  it.each(["acme/app", "acme/*", "acme/app/*", "*"])("may be %s", (pattern) => {
    expect(isRepositoryPattern(pattern)).toBe(true);
  });

  it.each(["", "/*", "**", "acme*", "*/app", "acme/*/*", "acme/**", "Acme/*"])("may not be %j", (pattern) => {
    expect(isRepositoryPattern(pattern)).toBe(false);
  });
});
