import ipaddr from "ipaddr.js";

/**
 * The address that a request came from: the peer's, or, where the peer is a trusted proxy, the last one
 * in `X-Forwarded-For` that is not. What stands before that was written by whoever sent it.
 *
 * @param trusted CIDRs
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  trusted: readonly string[],
): string | undefined {
  const hops = (forwardedFor ?? "").split(",").map((hop) => hop.trim());
  let address = canonical(peer);
  while (address !== undefined && hops.length > 0 && isTrusted(address, trusted)) {
    const hop = canonical(hops.pop());
    if (hop === undefined) break;
    address = hop;
  }
  return address;
}

function canonical(address: string | undefined): string | undefined {
  return address !== undefined && ipaddr.isValid(address) ? ipaddr.process(address).toString() : undefined;
}

function isTrusted(address: string, trusted: readonly string[]): boolean {
  const parsed = ipaddr.parse(address);
  return trusted.some((cidr) => {
    const [range, bits] = ipaddr.parseCIDR(cidr);
    return range.kind() === parsed.kind() && parsed.match(range, bits);
  });
}
