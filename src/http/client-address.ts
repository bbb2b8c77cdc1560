import ipaddr from "ipaddr.js";
import { createCache } from "../domain/cache.ts";
import { isWithin } from "../domain/networks.ts";

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
  while (address !== undefined && hops.length > 0 && isWithin(address, trusted)) {
    const hop = canonical(hops.pop());
    if (hop === undefined) break;
    address = hop;
  }
  return address;
}

const REMEMBERED = 1000;
const remembered = createCache<string>(REMEMBERED);

/** Most requests come from an address that others came from. */
function canonical(hop = ""): string | undefined {
  const known = remembered.get(hop) ?? parse(hop);
  if (known !== undefined) remembered.set(hop, known);
  return known;
}

function parse(hop: string): string | undefined {
  const address =
    WITH_PORT.exec(hop)
      ?.slice(1)
      .find((one) => one !== undefined) ?? hop;
  return address !== undefined && ipaddr.isValid(address) ? ipaddr.process(address).toString() : undefined;
}

/** As some proxies write them: `192.0.2.1:49152`, `[2001:db8::1]:49152`, `[2001:db8::1]`. */
const WITH_PORT = /^(?:([0-9.]+):[0-9]+|\[([0-9a-f:.]+)\](?::[0-9]+)?)$/i;
