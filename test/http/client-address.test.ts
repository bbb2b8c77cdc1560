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
    ["is what the first of several trusted proxies saw", "10.1.2.3", "192.0.2.1, 203.0.113.5, fd00::7", "203.0.113.5"],
    ["is the last trusted one's where that saw nothing", "10.1.2.3", "203.0.113.5, , 10.0.0.9", "10.0.0.9"],
    ["is the last trusted one's where that hides who it was", "10.1.2.3", "203.0.113.5, _hidden", "10.1.2.3"],
    ["is without its port", "10.1.2.3", "203.0.113.5:4711", "203.0.113.5"],
    ["is without its port and brackets", "10.1.2.3", "[2001:db8::7]:4711", "2001:db8::7"],
    ["is one, however it is written", "10.1.2.3", "2001:DB8:0:0::7", "2001:db8::7"],
    ["is of IPv4 where a proxy wrote it mapped", "10.1.2.3", "::ffff:203.0.113.5", "203.0.113.5"],
    ["is no proxy's because it claims a proxy's", "203.0.113.5", "10.0.0.1, 10.0.0.2", "203.0.113.5"],
    [
      "is no proxy's because of a network that holds it translated",
      "64:ff9b::a01:203",
      "192.0.2.1",
      "64:ff9b::a01:203",
    ],
    ["is of IPv6 too", "fd00::1", "2001:db8::7", "2001:db8::7"],
    ["is unknown where there is no peer", undefined, "203.0.113.5", undefined],
  ])("%s", (_, peer, forwardedFor, expected) => {
    expect(clientAddress(peer, forwardedFor, proxies)).toBe(expected);
  });

  it("is found in a list as long as a header may be", () => {
    expect(clientAddress("10.1.2.3", Array(4000).fill("10.0.0.1").join(), proxies)).toBe("10.0.0.1");
  });

  it("is the peer's where nobody is trusted", () => {
    expect(clientAddress("10.1.2.3", "203.0.113.5", [])).toBe("10.1.2.3");
  });
});
