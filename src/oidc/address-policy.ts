import ipaddr from "ipaddr.js";

/** `local` addresses are reached only by leave; `forbidden` ones never. */
export type AddressKind = "public" | "local" | "forbidden";

/** Where clouds keep what their machines may know of themselves, apart from link-local: Amazon, Alibaba, Azure, Oracle. */
const METADATA_SERVICES = ["fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"].map((address) =>
  ipaddr.parse(address).toNormalizedString(),
);

const LOCAL = ["loopback", "private", "uniqueLocal", "carrierGradeNat"];

/**
 * What kind of host an IP address belongs to. An IPv6 address that carries an IPv4 one (mapped, NAT64,
 * 6to4) is of the kind of what it carries, since that is where the packets go.
 */
export function addressKind(address: string): AddressKind {
  if (!ipaddr.isValid(address)) return "forbidden";
  const parsed = ipaddr.parse(address.split("%")[0] ?? "");
  const carried = parsed instanceof ipaddr.IPv6 ? carriedAddress(parsed) : undefined;
  if (carried) return addressKind(carried);
  if (METADATA_SERVICES.includes(parsed.toNormalizedString())) return "forbidden";
  const range = parsed.range();
  if (LOCAL.includes(range)) return "local";
  return range === "unicast" && isGlobal(parsed) ? "public" : "forbidden";
}

/** Of IPv6, 2000::/3 is all that was ever given out (IANA IPv6 Global Unicast Address Space). */
function isGlobal(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address instanceof ipaddr.IPv4 || address.match(ipaddr.IPv6.parse("2000::"), 3);
}

/** Prefixes behind which an IPv4 address lies, and the byte at which it starts (RFC 4291, RFC 2765, RFC 6052, RFC 3056). */
const CARRIERS = [
  { prefix: "::ffff:0:0", bits: 96, at: 12 },
  { prefix: "::ffff:0:0:0", bits: 96, at: 12 },
  { prefix: "64:ff9b::", bits: 96, at: 12 },
  { prefix: "2002::", bits: 16, at: 2 },
].map(({ prefix, ...rest }) => ({ ...rest, prefix: ipaddr.IPv6.parse(prefix) }));

function carriedAddress(address: ipaddr.IPv6): string | undefined {
  const carrier = CARRIERS.find(({ prefix, bits }) => address.match(prefix, bits));
  return (
    carrier &&
    address
      .toByteArray()
      .slice(carrier.at, carrier.at + 4)
      .join(".")
  );
}

/**
 * The IP address that a URL's host spells out, if it is one: `URL` has already read every odd spelling.
 * `localhost` and all below it are no less so (RFC 6761 §6.3), whoever resolves names.
 */
export function literalAddress(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (/(?:^|\.)localhost\.?$/.test(host)) return "127.0.0.1";
  return ipaddr.isValid(host) ? host : undefined;
}

export function isAllowedAddress(address: string, allowLocal: boolean): boolean {
  const kind = addressKind(address);
  return kind === "public" || (kind === "local" && allowLocal);
}
