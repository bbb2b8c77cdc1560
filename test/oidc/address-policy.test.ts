import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressKind, isAllowedAddress, literalAddress } from "../../src/oidc/address-policy.ts";

describe("an address", () => {
  it.each([
    "8.8.8.8",
    "140.82.121.4",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "2606:4700::1111",
    "2a00:1450::8a",
  ])("is public: %s", (address) => {
    expect(addressKind(address)).toBe("public");
  });

  it.each([
    ["loopback", "127.0.0.1"],
    ["the far end of loopback", "127.255.255.254"],
    ["loopback of IPv6", "::1"],
    ["loopback of IPv6 in full", "0:0:0:0:0:0:0:1"],
    ["10/8", "10.0.0.1"],
    ["172.16/12", "172.31.255.255"],
    ["192.168/16", "192.168.1.1"],
    ["carrier-grade NAT", "100.64.0.1"],
    ["the far end of carrier-grade NAT", "100.127.255.255"],
    ["unique local", "fd00::1"],
    ["unique local, the other half", "fc00::1"],
    ["IPv4-mapped", "::ffff:127.0.0.1"],
    ["IPv4-mapped in hexadecimal", "::ffff:a00:1"],
    ["IPv4-translated", "::ffff:0:127.0.0.1"],
    ["NAT64", "64:ff9b::7f00:1"],
    ["NAT64 in dotted form", "64:ff9b::10.0.0.1"],
    ["6to4", "2002:7f00:1::"],
    ["6to4 of a private network", "2002:c0a8:101::1"],
    ["decimal", "2130706433"],
    ["hexadecimal", "0x7f000001"],
    ["octal", "0177.0.0.1"],
    ["shortened", "127.1"],
  ])("is of one's own network: %s (%s)", (_, address) => {
    expect(addressKind(address)).toBe("local");
  });

  it.each([
    ["link-local", "169.254.169.254"],
    ["link-local of IPv6", "fe80::1"],
    ["link-local with a zone", "fe80::1%eth0"],
    ["link-local, IPv4-mapped", "::ffff:169.254.169.254"],
    ["link-local, IPv4-translated", "::ffff:0:a9fe:a9fe"],
    ["link-local by NAT64", "64:ff9b::a9fe:a9fe"],
    ["link-local by 6to4", "2002:a9fe:a9fe::1"],
    ["link-local in decimal", "2852039166"],
    ["link-local in hexadecimal", "0xa9fea9fe"],
    ["this network", "0.0.0.0"],
    ["this network's neighbours", "0.1.2.3"],
    ["unspecified", "::"],
    ["unspecified, IPv4-mapped", "::ffff:0.0.0.0"],
    ["multicast", "224.0.0.1"],
    ["multicast of IPv6", "ff02::1"],
    ["broadcast", "255.255.255.255"],
    ["reserved", "240.0.0.1"],
    ["benchmarking", "198.18.0.1"],
    ["documentation", "192.0.2.1"],
    ["documentation of IPv6", "2001:db8::1"],
    ["site-local, which is no more", "fec0::1"],
    ["Teredo", "2001::1"],
    ["discard", "100::1"],
    ["protocol assignments", "192.0.0.8"],
    ["no address", "localhost"],
    ["nothing", ""],
    ["too many parts", "1.2.3.4.5"],
  ])("is forbidden: %s (%s)", (_, address) => {
    expect(addressKind(address)).toBe("forbidden");
  });

  it.each([
    ["IPv4-compatible", "::7f00:1"],
    ["IPv4-compatible link-local", "::169.254.169.254"],
    ["local-use NAT64, where the operator's own form says what it carries", "64:ff9b:1:a9fe:a9:fe00:808:808"],
  ])("is not public: %s (%s)", (_, address) => {
    expect(addressKind(address)).not.toBe("public");
  });

  it("is of one's own network only by leave, and forbidden ones not even then", () => {
    expect(isAllowedAddress("8.8.8.8", false)).toBe(true);
    expect(isAllowedAddress("10.0.0.1", false)).toBe(false);
    expect(isAllowedAddress("10.0.0.1", true)).toBe(true);
    expect(isAllowedAddress("169.254.169.254", true)).toBe(false);
    expect(isAllowedAddress("64:ff9b::a9fe:a9fe", true)).toBe(false);
  });

  it("of IPv4 has one kind, however it is carried in IPv6", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const kind = addressKind(address);
        const [a, b, c, d] = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
        for (const carried of [`::ffff:${address}`, `64:ff9b::${a}${b}:${c}${d}`, `2002:${a}${b}:${c}${d}::1`]) {
          expect(addressKind(carried)).toBe(kind);
        }
      }),
    );
  });
});

describe("an address in a URL", () => {
  it.each([
    ["https://127.0.0.1/", "127.0.0.1"],
    ["https://2130706433/", "127.0.0.1"],
    ["https://0x7f.1/", "127.0.0.1"],
    ["https://0177.0.0.1/", "127.0.0.1"],
    ["https://127.1/", "127.0.0.1"],
    ["https://127.0.0.1./", "127.0.0.1"],
    ["https://１２７.0.0.1/", "127.0.0.1"],
    ["https://%31%32%37.0.0.1/", "127.0.0.1"],
    ["https://[::1]/", "::1"],
    ["https://[::ffff:127.0.0.1]/", "::ffff:7f00:1"],
    ["https://localhost/", "127.0.0.1"],
    ["https://LOCALHOST./", "127.0.0.1"],
    ["https://api.localhost/", "127.0.0.1"],
    ["https://localhost.example/", undefined],
    ["https://notlocalhost/", undefined],
    ["https://ci.example/", undefined],
    ["https://127.0.0.1.example/", undefined],
  ])("%s is %s", (url, address) => {
    expect(literalAddress(new URL(url))).toBe(address);
  });
});
