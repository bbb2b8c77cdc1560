import ipaddr from "ipaddr.js";
import { literalAddress } from "./address-policy.ts";

/** One item of `NO_PROXY`: whom it names, and at which port if not at every one. */
interface Exception {
  readonly covers: (url: URL) => boolean;
  readonly port?: string;
}

const HOST = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

export function isNoProxyItem(item: string): boolean {
  return readItem(item) !== undefined;
}

/**
 * Whether `NO_PROXY` wants a host to be reached without the proxy, as Go and curl read it: `*`, a host (with
 * all below it), a suffix with a leading dot (only what is below it), an address, each with a port or without,
 * or a CIDR. Addresses count where they stand in the URL; no name is resolved for it.
 */
export function isProxyExempt(url: URL, noProxy: readonly string[]): boolean {
  const port = url.port || DEFAULT_PORTS[url.protocol];
  return noProxy.some((item) => {
    const exception = readItem(item);
    return exception?.covers(url) && (exception.port === undefined || exception.port === port);
  });
}

function readItem(item: string): Exception | undefined {
  if (item === "*") return { covers: () => true };
  if (ipaddr.isValidCIDR(item)) return { covers: coversAddress(ipaddr.parseCIDR(item)) };
  if (ipaddr.isValid(item)) return { covers: coversAddress(onlyThat(item)) };

  const [, host = "", port] = /^(.*?)(?::([0-9]{1,5}))?$/.exec(item.toLowerCase()) ?? [];
  const at = port !== undefined && { port };
  const address = host.replace(/^\[(.*)\]$/, "$1");
  if (ipaddr.isValid(address)) return { covers: coversAddress(onlyThat(address)), ...at };
  const [, dot, name = ""] = /^(\*?\.)?(.*?)\.?$/.exec(host) ?? [];
  return HOST.test(name) ? { covers: coversName(name, dot === undefined), ...at } : undefined;
}

type Range = ReturnType<typeof ipaddr.parseCIDR>;

function onlyThat(address: string): Range {
  const parsed = ipaddr.parse(address);
  return [parsed, parsed.toByteArray().length * 8];
}

function coversAddress([network, bits]: Range): Exception["covers"] {
  return (url) => {
    const literal = literalAddress(url);
    if (literal === undefined) return false;
    const address = ipaddr.parse(literal);
    return address.kind() === network.kind() && address.match([network, bits] as never);
  };
}

function coversName(name: string, itself: boolean): Exception["covers"] {
  return ({ hostname }) => {
    const host = hostname.replace(/\.$/, "");
    return host.endsWith(`.${name}`) || (itself && host === name);
  };
}
