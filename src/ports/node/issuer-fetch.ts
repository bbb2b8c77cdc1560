import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { Agent, fetch } from "undici";
import { isAllowedAddress, literalAddress } from "../../oidc/address-policy.ts";
import { forbiddenAddress, type IssuerFetch } from "../../oidc/safe-fetch.ts";

/**
 * A fetch that connects to vetted addresses only. The name is resolved here, every address of the answer
 * is vetted, and the socket goes to one of those: a name that answers otherwise a moment later is not
 * asked again.
 */
export function createIssuerFetch(): IssuerFetch {
  return async (url, init, { allowLocal, ca }) => {
    // An address that stands in the URL itself is never looked up.
    const literal = literalAddress(new URL(url));
    if (literal !== undefined && !isAllowedAddress(literal, allowLocal)) throw forbiddenAddress(url);
    const dispatcher = new Agent({
      connect: { lookup: vettedLookup(allowLocal), ...(ca !== undefined && { ca }) },
      keepAliveTimeout: 1000,
    });
    return fetch(url, { ...(init as Parameters<typeof fetch>[1]), dispatcher }) as unknown as Promise<Response>;
  };
}

function vettedLookup(allowLocal: boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const refused = addresses.length === 0 || addresses.some(({ address }) => !isAllowedAddress(address, allowLocal));
      if (refused) return callback(forbiddenAddress(hostname), []);
      if (options.all) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? "", first?.family);
    });
  };
}
