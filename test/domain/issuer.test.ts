import { describe, expect, it } from "vitest";
import { issuerProblem } from "../../src/domain/issuer.ts";

const rules = { publicUrl: "https://berth.example", allowInsecure: false };

describe("an issuer", () => {
  it.each([
    "https://token.actions.githubusercontent.com",
    "https://sts.windows.net/4f2d/",
    "https://ci.example:8443/realms/Main",
    "https://ci.example/a%20b/~c",
    "https://xn--bcher-kva.example",
    "https://[2001:db8::1]/",
    `https://ci.example/${"a".repeat(581)}`,
  ])("may be %s", (issuer) => {
    expect(issuerProblem(issuer, rules)).toBeUndefined();
  });

  it.each([
    ["plain http", "http://ci.example"],
    ["another protocol", "ftp://ci.example"],
    ["an upper-case protocol", "HTTPS://ci.example"],
    ["an upper-case host", "https://CI.example"],
    ["a host of other letters", "https://bücher.example"],
    ["a user", "https://user@ci.example"],
    ["a user and a password", "https://user:password@ci.example"],
    ["an empty user", "https://@ci.example"],
    ["a query", "https://ci.example/?x=1"],
    ["an empty query", "https://ci.example/?"],
    ["a fragment", "https://ci.example/#x"],
    ["a backslash", "https://ci.example\\x"],
    ["a space", "https://ci.example/a b"],
    ["a space before", " https://ci.example"],
    ["a line break", "https://ci.example/\n"],
    ["a port out of range", "https://ci.example:99999"],
    ["no host", "https:///realms/main"],
    ["nothing", ""],
    ["601 characters", `https://ci.example/${"a".repeat(582)}`],
  ])("may not have %s", (_, issuer) => {
    expect(issuerProblem(issuer, rules)).toBeTypeOf("string");
  });

  it.each([
    "https://berth.example",
    "https://berth.example/",
    "https://berth.example:443",
    "https://berth.example/realms/x",
  ])("may not be on the service's own origin, as %s is", (issuer) => {
    expect(issuerProblem(issuer, rules)).toBe("must not be this service itself");
  });

  it("may be on plain http where that is allowed, but not on the service's own origin", () => {
    const development = { publicUrl: "http://127.0.0.1:8080", allowInsecure: true };
    expect(issuerProblem("http://127.0.0.1:9090", development)).toBeUndefined();
    expect(issuerProblem("http://127.0.0.1:8080", development)).toBe("must not be this service itself");
    expect(issuerProblem("http://2130706433:8080", development)).toBe("must not be this service itself");
  });

  it.each([
    [`https://ci.example/${"a".repeat(582)}`, "must have at most 600 characters"],
    ["https://CI.example", "must be an https URL with a lower-case host and no user, query or fragment"],
    ["http://ci.example", "must start with https://"],
  ])("as %s is refused in words", (issuer, problem) => {
    expect(issuerProblem(issuer, rules)).toBe(problem);
  });
});
