import type { LookupAddress } from "node:dns";
import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";

/**
 * All addresses of a host; a host that is an address is its own.
 *
 * @param allowLocal whether the host may be one of one's own network
 */
export type Lookup = (host: string, allowLocal: boolean) => Promise<readonly LookupAddress[]>;

/** Of a DNS server, before it is asked again. */
const PATIENCE = { timeout: 1500, tries: 2 };

/**
 * Looks a host up as the platform does (`/etc/hosts`, search domains) where it may be of one's own network.
 * The platform looks up two names at a time for the whole process, however: names that nobody answers for
 * would hold up all others. So a public name, which may be a stranger's, is asked of DNS itself.
 */
export const lookupAddresses: Lookup = async (host, allowLocal) => {
  const family = isIP(host);
  if (family !== 0) return [{ address: host, family }];
  return allowLocal ? lookup(host, { all: true }) : askDns(host);
};

async function askDns(host: string): Promise<readonly LookupAddress[]> {
  const resolver = new Resolver(PATIENCE);
  const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const addresses = [...addressesOf(four, 4), ...addressesOf(six, 6)];
  if (addresses.length === 0 && four.status === "rejected") throw four.reason;
  return addresses;
}

function addressesOf(answer: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] {
  return answer.status === "fulfilled" ? answer.value.map((address) => ({ address, family })) : [];
}
