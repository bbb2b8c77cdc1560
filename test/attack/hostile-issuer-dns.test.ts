import type { LookupAddress } from "node:dns";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { openProxiedIssuers, type ProxiedIssuers } from "./proxied-issuers.ts";

type Answer = readonly string[] | Error | "never";

/** What the platform's resolver says of a name: one answer after another, the last of them for good. */
const zone = vi.hoisted(() => ({ answers: new Map<string, Answer[]>(), asked: [] as string[] }));

vi.mock("node:dns/promises", async (importOriginal) => ({
  ...(await importOriginal<typeof import("node:dns/promises")>()),
  lookup(host: string): Promise<LookupAddress[]> {
    zone.asked.push(host);
    const answers = zone.answers.get(host) ?? [["1.1.1.1"]];
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) as Answer;
    if (answer === "never") return new Promise(() => {});
    if (answer instanceof Error) return Promise.reject(answer);
    return Promise.resolve(answer.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));
  },
}));

let issuers: ProxiedIssuers;
beforeAll(async () => {
  issuers = await openProxiedIssuers({});
});
afterAll(() => issuers.close());

let heard = 0;
beforeEach(() => {
  heard = issuers.proxy.requests().length;
});
const requests = () => issuers.proxy.requests().slice(heard);

afterEach(() => {
  zone.answers.clear();
  for (const line of requests()) expect(line).toMatch(/^CONNECT (1\.1\.1\.[0-9]+|\[2606:4700::1\]):443$/);
});

/** Binds an issuer whose name will have these answers, at a time when nobody asks for it any more. */
async function bindWith(...answers: Answer[]) {
  const bound = await issuers.bind();
  issuers.berth.clock.advance(2 * 24 * 3600);
  zone.answers.set(bound.host, answers);
  zone.asked.length = 0;
  heard = issuers.proxy.requests().length;
  return bound;
}

describe("a name", () => {
  it("is resolved once for a fetch, and connected to where it led", async () => {
    const { exchange, host } = await bindWith(["1.1.1.7"], ["127.0.0.1"]);
    expect((await exchange()).status).toBe(200);
    expect(zone.asked).toEqual([host, "keys.ci.example"]);
    expect(requests()).toEqual(["CONNECT 1.1.1.7:443", "CONNECT 1.1.1.1:443"]);
  });

  it("that leads to a public address and then to a private one is not followed there", async () => {
    const { exchange, expectOutage, host } = await bindWith(["1.1.1.7"], ["127.0.0.1"]);
    expect((await exchange()).status).toBe(200);
    issuers.berth.clock.advance(2 * 24 * 3600);
    expect(await expectOutage(/^issuer_unreachable$/)).toContain("not public");
    expect(zone.asked.filter((asked) => asked === host)).toHaveLength(2);
    expect(requests()).toHaveLength(2);
  });

  it("of the keys that changes its mind between discovery and keys is not followed", async () => {
    const { expectOutage, host } = await bindWith(["1.1.1.7"]);
    zone.answers.set("keys.ci.example", [["169.254.169.254"]]);
    expect(await expectOutage(/^issuer_unreachable$/)).toContain("not public");
    expect(zone.asked).toEqual([host, "keys.ci.example"]);
    expect(requests()).toEqual(["CONNECT 1.1.1.7:443"]);
  });

  it("that is the keys' too is vetted for each of them", async () => {
    const { expectOutage, host } = await issuers.bind((issuer) => ({ issuer, jwks_uri: `${issuer}/jwks` }));
    issuers.berth.clock.advance(2 * 24 * 3600);
    zone.answers.set(host, [["1.1.1.7"], ["10.0.0.1"]]);
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
    ["to a link-local address with its zone", ["fe80::1%eth0"]],
    ["to a public address with a zone of loopback", ["::1%lo"]],
    ["nowhere", ["0.0.0.0"]],
    ["to a public address and a private one", ["1.1.1.1", "192.168.0.1"]],
    ["to a private address and a public one", ["fd00::1", "2606:4700::1"]],
    ["to no address", []],
    ["to another name", ["localhost"]],
    ["to a text with a line's end", ["1.1.1.1\r\nHost: x"]],
    ["to an address and its port", ["1.1.1.1:80"]],
    ["to nothing", [""]],
  ])("that leads %s is not connected to", async (_, addresses) => {
    const { expectOutage } = await bindWith(addresses);
    expect(await expectOutage(/^issuer_unreachable$/)).toContain("not public");
    expect(requests()).toEqual([]);
  });

  it("with a thousand addresses costs few connections", async () => {
    const bound = await bindWith(Array.from({ length: 1000 }, (_, index) => `1.1.1.${index % 256}`));
    issuers.proxy.answer(502);
    await bound.expectOutage(/^issuer_unreachable$/);
    issuers.proxy.answer();
    expect(requests().length).toBeLessThanOrEqual(4);
  });

  it.each(["ENOTFOUND", "EAI_AGAIN", "ESERVFAIL"])("that cannot be resolved (%s) is an outage", async (code) => {
    const { expectOutage } = await bindWith(Object.assign(new Error(`getaddrinfo ${code}`), { code }));
    expect(await expectOutage(/^issuer_unreachable$/)).toContain(code);
    expect(requests()).toEqual([]);
  });

  it("that is never resolved is given up, and holds up nobody", async () => {
    const [slow, good] = [await bindWith("never"), await issuers.bind()];
    let isWaiting = true;
    const waiting = slow.expectOutage(/^issuer_unreachable$/).finally(() => {
      isWaiting = false;
    });
    await expect.poll(() => zone.asked).toContain(slow.host);
    expect((await good.exchange()).status).toBe(200);
    expect(isWaiting).toBe(true);
    expect(await waiting).toContain("no answer in time");
  });
});
