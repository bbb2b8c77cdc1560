import { describe, expect, it } from "vitest";
import { isNoProxyItem, isProxyExempt } from "../../src/oidc/no-proxy.ts";

const isExempt = (url: string, ...noProxy: string[]) => isProxyExempt(new URL(url), noProxy);

describe("NO_PROXY", () => {
  it.each([
    ["*", "https://anything.example"],
    ["ci.example", "https://ci.example"],
    ["ci.example", "https://ci.example:8443/realms/main"],
    ["ci.example", "https://ci.example./"],
    ["ci.example.", "https://ci.example"],
    ["CI.Example", "https://ci.example"],
    ["ci.example", "https://www.ci.example"],
    [".ci.example", "https://www.ci.example"],
    ["*.ci.example", "https://a.b.ci.example"],
    ["ci.example:443", "https://ci.example"],
    ["ci.example:80", "http://ci.example"],
    ["ci.example:8443", "https://ci.example:8443"],
    ["keycloak", "https://keycloak"],
    ["localhost", "https://localhost:8443"],
    ["192.0.2.1", "https://192.0.2.1"],
    ["192.0.2.1", "https://0xc0000201"],
    ["192.0.2.1:8443", "https://192.0.2.1:8443"],
    ["192.0.2.0/24", "https://192.0.2.255"],
    ["127.0.0.0/8", "https://localhost"],
    ["2001:db8::1", "https://[2001:db8:0::1]"],
    ["[2001:db8::1]", "https://[2001:db8::1]"],
    ["[2001:db8::1]:8443", "https://[2001:db8::1]:8443"],
    ["2001:db8::/32", "https://[2001:db8:ffff::1]"],
  ])("%s covers %s", (item, url) => {
    expect(isNoProxyItem(item)).toBe(true);
    expect(isExempt(url, item)).toBe(true);
    expect(isExempt(url, "other.example", item)).toBe(true);
  });

  it.each([
    ["ci.example", "https://evilci.example"],
    ["ci.example", "https://ci.example.evil.example"],
    [".ci.example", "https://ci.example"],
    [".ci.example", "https://evilci.example"],
    ["*.ci.example", "https://ci.example"],
    ["ci.example:8443", "https://ci.example"],
    ["ci.example:443", "https://ci.example:8443"],
    ["192.0.2.1", "https://192.0.2.10"],
    ["192.0.2.1:443", "https://192.0.2.1:8443"],
    ["192.0.2.0/24", "https://192.0.3.1"],
    ["0.0.0.0/0", "https://[2001:db8::1]"],
    ["0.0.0.0/0", "https://ci.example"],
    ["::/0", "https://192.0.2.1"],
    ["2001:db8::/32", "https://[2001:db9::1]"],
  ])("%s does not cover %s", (item, url) => {
    expect(isNoProxyItem(item)).toBe(true);
    expect(isExempt(url, item)).toBe(false);
  });

  it.each([
    "",
    ".",
    "*.",
    "a b",
    "a..b",
    "10.0.0.0/33",
    "https://ci.example",
    "ci.*.example",
    "ci.example:",
    "user@ci",
    "a[::1]",
    "[::1]a",
  ])("has no item %j", (item) => {
    expect(isNoProxyItem(item)).toBe(false);
    expect(isExempt("https://ci.example", item)).toBe(false);
  });

  it("covers nobody where it is empty", () => {
    expect(isExempt("https://ci.example")).toBe(false);
  });
});
