import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatRobotName, isName, isRepositoryName, parseRobotName } from "../../src/domain/names.ts";

describe("an organization's or a robot's name", () => {
  it.each(["ab", "a1", "my-org", "my.org_x-1", "0day", "a".repeat(255)])("may be %s", (name) => {
    expect(isName(name)).toBe(true);
  });

  it.each([
    ["empty", ""],
    ["one character", "a"],
    ["256 characters", "a".repeat(256)],
    ["upper case", "Acme"],
    ["a separator first", "-acme"],
    ["a separator last", "acme."],
    ["two separators together", "ac--me"],
    ["a plus", "ac+me"],
    ["a slash", "ac/me"],
    ["a space", "ac me"],
    ["a line break at the end", "acme\n"],
    ["a letter of another script that looks alike", "аcme"],
  ])("may not have %s", (_, name) => {
    expect(isName(name)).toBe(false);
  });
});

describe("a robot's full name", () => {
  it("is organization+robot, and a space reads as the plus that a form made it", () => {
    expect(parseRobotName("acme+ci")).toEqual({ organization: "acme", robot: "ci" });
    expect(parseRobotName("acme ci")).toEqual({ organization: "acme", robot: "ci" });
  });

  it.each(["", "acme", "acme+", "+ci", "acme++ci", "acme+ci+x", "acme +ci", "a b c", "ACME+ci", "acme+c", "acme/ci"])(
    "is not %j",
    (text) => {
      expect(parseRobotName(text)).toBeUndefined();
    },
  );

  it("is written as it is read", () => {
    const name = fc.stringMatching(/^[a-z0-9]{1,8}[._-][a-z0-9]{1,8}$/);
    fc.assert(
      fc.property(name, name, (organization, robot) => {
        expect(parseRobotName(formatRobotName({ organization, robot }))).toEqual({ organization, robot });
      }),
    );
  });
});

describe("a repository's name", () => {
  it.each(["a", "acme/app", "acme/app/web", "a__b", "a---b", "a.b/c_d", "a".repeat(255)])("may be %s", (name) => {
    expect(isRepositoryName(name)).toBe(true);
  });

  it.each([
    "",
    "/acme",
    "acme/",
    "acme//app",
    "Acme/app",
    "acme/*",
    "*",
    "acme:app",
    "acme/app:latest",
    "acme/..",
    "a___b",
    "a..b",
    "acme/app\n",
    "a".repeat(256),
  ])("may not be %j", (name) => {
    expect(isRepositoryName(name)).toBe(false);
  });
});
