import ipaddr from "ipaddr.js";

/** `local` addresses are reached only by leave; `forbidden` ones never. */
export type AddressKind = "public" | "local" | "forbidden";

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
  const range = parsed.range();
  if (range === "unicast") return "public";
  return LOCAL.includes(range) ? "local" : "forbidden";
}

function carriedAddress(address: ipaddr.IPv6): string | undefined {
  const bytes = address.toByteArray();
  switch (address.range()) {
    case "ipv4Mapped":
    case "rfc6145":
    case "rfc6052":
      return bytes.slice(12).join(".");
    case "6to4":
      return bytes.slice(2, 6).join(".");
    default:
      return undefined;
  }
}

/** The IP address that a URL's host spells out, if it is one: `URL` has already read every odd spelling. */
export function literalAddress(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return ipaddr.isValid(host) ? host : undefined;
}

export function isAllowedAddress(address: string, allowLocal: boolean): boolean {
  const kind = addressKind(address);
  return kind === "public" || (kind === "local" && allowLocal);
}
