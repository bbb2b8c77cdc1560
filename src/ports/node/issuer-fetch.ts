import type { LookupAddress } from "node:dns";
import type { LookupFunction, Socket } from "node:net";
import { Agent, buildConnector, fetch } from "undici";
import type { ProxyConfig } from "../../config.ts";
import { limits } from "../../limits.ts";
import { isAllowedAddress, literalAddress } from "../../oidc/address-policy.ts";
import { isProxyExempt } from "../../oidc/no-proxy.ts";
import { type FetchPolicy, forbiddenAddress, type IssuerFetch, IssuerFetchError } from "../../oidc/safe-fetch.ts";
import { type Lookup, lookupAddresses } from "./lookup.ts";
import { openTunnel } from "./proxy.ts";

/** Chunks of one byte take six times as much as what is in them. */
const MAX_CONNECTION_BYTES = 10 * limits.issuerFetch.bytes;

export interface IssuerFetchOptions {
  readonly proxy?: ProxyConfig | undefined;
  readonly lookup?: Lookup;
}

/**
 * A fetch that connects to vetted addresses only, by itself or through a forward proxy. The name is resolved
 * once, every address of the answer is vetted, and the connection goes to one of those: a name that answers
 * otherwise a moment later is not asked again. Each fetch has a connection of its own, which ends with it.
 */
export function createIssuerFetch({ proxy, lookup = lookupAddresses }: IssuerFetchOptions = {}): IssuerFetch {
  return async (url, init, policy) => {
    const target = new URL(url);
    const { signal } = init;
    signal.throwIfAborted();
    const literal = literalAddress(target);
    if (literal !== undefined && !isAllowedAddress(literal, policy.allowLocal)) throw forbiddenAddress(url);
    const usedProxy =
      target.protocol === "https:" && proxy && !isProxyExempt(target, proxy.noProxy) ? proxy : undefined;

    const addresses = usedProxy?.resolves ? [] : await untilAborted(signal, resolve(target, policy));
    const tunnel = usedProxy && (await openTunnel(usedProxy.url, authoritiesOf(target, addresses), signal));
    const dispatcher = createDispatcher(addresses, tunnel, policy, signal);
    return fetch(url, { ...(init as Parameters<typeof fetch>[1]), dispatcher }) as unknown as Promise<Response>;
  };

  async function resolve({ href, hostname }: URL, { allowLocal }: FetchPolicy): Promise<readonly LookupAddress[]> {
    const addresses = await lookup(hostname.replace(/^\[|\]$/g, ""), allowLocal);
    const isAllowed = ({ address }: LookupAddress) => isAllowedAddress(address, allowLocal);
    if (addresses.length > 0 && addresses.every(isAllowed)) return addresses;
    throw forbiddenAddress(href);
  }
}

/** `host:port` for CONNECT. IPv4 goes first, since more proxies have it; without addresses the name goes. */
function authoritiesOf({ hostname, port }: URL, addresses: readonly LookupAddress[]): readonly string[] {
  const hosts = addresses
    .toSorted((one, other) => one.family - other.family)
    .map(({ address, family }) => (family === 6 ? `[${address}]` : address));
  return (hosts.length > 0 ? hosts : [hostname]).map((host) => `${host}:${port || 443}`);
}

/** The certificate is checked against the name, whichever way the connection goes. */
function createDispatcher(
  addresses: readonly LookupAddress[],
  tunnel: Socket | undefined,
  { ca }: FetchPolicy,
  signal: AbortSignal,
): Agent {
  const connect = buildConnector({
    lookup: pinnedTo(addresses),
    signal,
    ...(ca !== undefined && { ca }),
    // Neither is left to a variable or an option of the process.
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
  });
  return new Agent({
    // No connection is kept for a next request.
    pipelining: 0,
    connect: (options, callback) =>
      connect({ ...options, ...(tunnel && { httpSocket: tunnel }) }, (...result) => {
        const [, socket] = result;
        if (socket) boundReading(socket);
        callback(...result);
      }),
  });
}

/**
 * Ends a connection that brings far more than an acceptable answer does, however little of it is body: a
 * status text, chunk extensions or interim answers without end.
 */
function boundReading(socket: Socket): void {
  socket.on("readable", () => {
    if (socket.bytesRead > MAX_CONNECTION_BYTES) socket.destroy(new IssuerFetchError("an answer without end"));
  });
}

function pinnedTo(addresses: readonly LookupAddress[]): LookupFunction {
  return (_, { all }, callback) => {
    const [first] = addresses;
    if (all) callback(null, [...addresses]);
    else callback(null, first?.address ?? "", first?.family);
  };
}

/** A look-up is not called off: it is waited for no longer, and ends by itself. */
function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, aborted]);
}
