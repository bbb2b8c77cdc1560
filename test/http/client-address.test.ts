import { describe, expect, it } from "vitest";
import { clientAddress } from "../../src/http/client-address.ts";

const proxies = ["10.0.0.0/8", "fd00::/8"];

describe("the address that a request came from", () => {
  it.each<[string, string | undefined, string | undefined, string | undefined]>([
    ["is the peer's", "203.0.113.5", undefined, "203.0.113.5"],
    ["is the peer's, whatever it claims, where it is no trusted proxy", "203.0.113.5", "192.0.2.1", "203.0.113.5"],
    ["is what a trusted proxy says", "10.1.2.3", "203.0.113.5", "203.0.113.5"],
    ["is the last that no trusted proxy vouches for", "10.1.2.3", "198.51.100.1, 203.0.113.5, 10.9.9.9", "203.0.113.5"],
    ["is not what stands before that", "10.1.2.3", "10.0.0.1, 203.0.113.5", "203.0.113.5"],
    ["is the proxy's own where it says nothing", "10.1.2.3", undefined, "10.1.2.3"],
    ["is the proxy's own where it says nonsense", "10.1.2.3", "unknown", "10.1.2.3"],
    ["is the first where all are trusted", "10.1.2.3", "10.0.0.1, 10.0.0.2", "10.0.0.1"],
    ["is of IPv4 where it came mapped", "::ffff:10.1.2.3", "203.0.113.5", "203.0.113.5"],
    ["is of IPv6 too", "fd00::1", "2001:db8::7", "2001:db8::7"],
    ["is unknown where there is no peer", undefined, "203.0.113.5", undefined],
  ])("%s", (_, peer, forwardedFor, expected) => {
    expect(clientAddress(peer, forwardedFor, proxies)).toBe(expected);
  });

  it("is the peer's where nobody is trusted", () => {
    expect(clientAddress("10.1.2.3", "203.0.113.5", [])).toBe("10.1.2.3");
  });
});
