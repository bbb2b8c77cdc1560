import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type DnsAnswer, type DnsServer, startDnsServer } from "../support/dns.ts";
import { openProxiedIssuers, type ProxiedIssuers } from "./proxied-issuers.ts";

const nameServers = vi.hoisted(() => ({ addresses: [] as string[] }));

/** The service asks the test's name server, where it would ask the machine's. */
vi.mock("node:dns/promises", async (importOriginal) => {
  const original = await importOriginal<typeof import("node:dns/promises")>();
  return {
    ...original,
    Resolver: class extends original.Resolver {
      constructor(options: ConstructorParameters<typeof original.Resolver>[0]) {
        super(options);
        this.setServers(nameServers.addresses);
      }
    },
  };
});

let dns: DnsServer;
let issuers: ProxiedIssuers;
beforeAll(async () => {
  dns = await startDnsServer();
  nameServers.addresses = [dns.address];
  issuers = await openProxiedIssuers({});
});
afterAll(async () => {
  await issuers.close();
  dns.close();
});

let heard = 0;
beforeEach(() => {
  heard = issuers.proxy.requests().length;
});
const requests = () => issuers.proxy.requests().slice(heard);

afterEach(() => {
  dns.reset();
  for (const line of requests()) expect(line).toMatch(/^CONNECT (1\.1\.1\.[0-9]+|\[2606:4700::1\]):443$/);
});

/** Binds an issuer whose name will have these answers, at a time when nobody asks for it any more. */
async function bindWith(...answers: DnsAnswer[]) {
  const bound = await issuers.bind();
  issuers.berth.clock.advance(2 * 24 * 3600);
  dns.reset();
  dns.answer(bound.host, ...answers);
  heard = issuers.proxy.requests().length;
  return bound;
}

describe("a name", () => {
  it("is resolved once for a fetch, and connected to where it led", async () => {
    const { exchange, host } = await bindWith(["1.1.1.7"], ["127.0.0.1"]);
    expect((await exchange()).status).toBe(200);
    expect(dns.asked).toEqual([host, "keys.ci.example"]);
    expect(requests()).toEqual(["CONNECT 1.1.1.7:443", "CONNECT 1.1.1.1:443"]);
  });

  it("that leads to a public address and then to a private one is not followed there", async () => {
    const { exchange, expectOutage, host } = await bindWith(["1.1.1.7"], ["127.0.0.1"]);
    expect((await exchange()).status).toBe(200);
    issuers.berth.clock.advance(2 * 24 * 3600);
    expect(await expectOutage(/^issuer_unreachable$/)).toContain("not public");
    expect(dns.asked.filter((asked) => asked === host)).toHaveLength(2);
    expect(requests()).toHaveLength(2);
  });

  it("of the keys that changes its mind between discovery and keys is not followed", async () => {
    const { expectOutage, host } = await bindWith(["1.1.1.7"]);
    dns.answer("keys.ci.example", ["169.254.169.254"]);
    expect(await expectOutage(/^issuer_unreachable$/)).toContain("not public");
    expect(dns.asked).toEqual([host, "keys.ci.example"]);
    expect(requests()).toEqual(["CONNECT 1.1.1.7:443"]);
  });

  it("that is the keys' too is vetted for each of them", async () => {
    const { expectOutage, host } = await issuers.bind((issuer) => ({ issuer, jwks_uri: `${issuer}/jwks` }));
    issuers.berth.clock.advance(2 * 24 * 3600);
    dns.answer(host, ["1.1.1.7"], ["10.0.0.1"]);
    heard = issuers.proxy.requests().length;
    expect(await expectOutage(/^issuer_unreachable$/)).toContain("not public");
    expect(requests()).toEqual(["CONNECT 1.1.1.7:443"]);
  });

  it.each<[string, readonly string[]]>([
    ["to loopback", ["127.0.0.1"]],
    ["to loopback by IPv6", ["::1"]],
    ["to a private network", ["10.1.2.3"]],
    ["to the metadata service", ["169.254.169.254"]],
    ["to the metadata service, mapped", ["::ffff:169.254.169.254"]],
    ["to the metadata service, behind NAT64", ["64:ff9b::a9fe:a9fe"]],
    ["to a link-local address", ["fe80::1"]],
    ["nowhere", ["0.0.0.0"]],
    ["to a public address and a private one", ["1.1.1.1", "192.168.0.1"]],
    ["to a private address and a public one", ["fd00::1", "2606:4700::1"]],
  ])("that leads %s is not connected to", async (_, addresses) => {
    const { expectOutage } = await bindWith(addresses);
    expect(await expectOutage(/^issuer_unreachable$/)).toContain("not public");
    expect(requests()).toEqual([]);
  });

  it("with two hundred addresses costs few connections", async () => {
    const bound = await bindWith(Array.from({ length: 200 }, (_, index) => `1.1.1.${index}`));
    issuers.proxy.answer(502);
    await bound.expectOutage(/^issuer_unreachable$/);
    issuers.proxy.answer();
    expect(requests().length).toBeLessThanOrEqual(4);
  });

  it.each<[DnsAnswer, string]>([
    ["NXDOMAIN", "ENOTFOUND"],
    ["SERVFAIL", "ESERVFAIL"],
    ["REFUSED", "EREFUSED"],
    [[], "ENODATA"],
  ])("that cannot be resolved (%s) is an outage", async (answer, code) => {
    const { expectOutage } = await bindWith(answer);
    expect(await expectOutage(/^issuer_unreachable$/)).toContain(code);
    expect(requests()).toEqual([]);
  });

  it("that is an address is not looked up", async () => {
    const { expectOutage } = await issuers.bindTo("https://1.1.1.9");
    // The certificate that is found there is for other names.
    expect(await expectOutage(/^issuer_unreachable$/)).toContain("ALTNAME_INVALID");
    expect(dns.asked).toEqual([]);
    expect(requests()).toContain("CONNECT 1.1.1.9:443");
  });

  it("that nobody answers for is given up, and many of them hold up nobody", async () => {
    const slow = await Promise.all(Array.from({ length: 6 }, () => bindWith("never")));
    const good = await issuers.bind();
    for (const { host } of slow) dns.answer(host, "never");
    let isWaiting = true;
    const waiting = Promise.all(slow.map(({ expectOutage }) => expectOutage(/^issuer_unreachable$/))).finally(() => {
      isWaiting = false;
    });
    for (const { host } of slow) await expect.poll(() => dns.asked).toContain(host);
    expect((await good.exchange()).status).toBe(200);
    expect(isWaiting).toBe(true);
    for (const detail of await waiting) expect(detail).toMatch(/no answer in time|ETIMEOUT/);
  });
});
