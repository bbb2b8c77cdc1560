import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Registry } from "../../src/store/registries.ts";
import type { KeyPurpose } from "../../src/tokens/signing-key.ts";
import { createKeyBench, days, hours, type KeyBench } from "../support/key-life.ts";

let bench: KeyBench;
let first: number;
let x5c: Registry;
let kid: Registry;

beforeAll(async () => {
  bench = await createKeyBench();
});
beforeEach(async () => {
  await bench.restart();
  first = bench.now;
  x5c = await bench.addRegistry("x5c.example");
  kid = await bench.addRegistry("kid.example", { keyProfile: "kid" });
});
afterAll(() => bench.remove());

type Owner = "nobody" | "x5c" | "kid";
const ownerOf = (owner: Owner) => ({ nobody: undefined, x5c, kid })[owner];
const lines: readonly [Owner, KeyPurpose, number][] = [
  ["nobody", "robot_token", 90],
  ["x5c", "registry_token", 60],
  ["x5c", "registry_authority", 5 * 365],
  ["kid", "registry_token", 365],
];

const statuses = async (registry: Registry | undefined, purpose: KeyPurpose) =>
  (await bench.rows(registry, purpose)).map(({ status }) => status).sort();

describe("the first keys", () => {
  it("are an active and a next one for every purpose, and none without need", async () => {
    const all = await Promise.all(lines.map(([owner, purpose]) => statuses(ownerOf(owner), purpose)));
    expect(all).toEqual(Array(4).fill(["active", "next"]));
    expect(await bench.rows(kid, "registry_authority")).toEqual([]);
  });

  it("are published from the first day, and no private half is", async () => {
    const [byCertificate, byName] = await Promise.all([x5c, kid].map(({ id }) => bench.keys().registry(id)));
    expect([byCertificate?.certificates.length, byCertificate?.named]).toEqual([2, []]);
    expect([byName?.certificates.length, byName?.named.length]).toEqual([2, 2]);
    expect(JSON.stringify([byName?.named, byCertificate?.certificates])).not.toMatch(/PRIVATE|"d"/);
  });

  it("stay as they are, however often they are maintained", async () => {
    const all = async () => [...(await bench.rows()), ...(await bench.rows(x5c)), ...(await bench.rows(kid))];
    const before = await all();
    await bench.live(first + 3 * hours);
    expect(await all()).toEqual(before);
  });

  it("are good for as long as it says, and yesterday already", async () => {
    const { certificate, notAfter } = await bench.row(x5c, "registry_token", "active");
    const leaf = new X509Certificate(certificate ?? "");
    expect(Date.parse(leaf.validFrom)).toBe(first - days);
    expect([Date.parse(leaf.validTo), notAfter?.getTime()]).toEqual([first + 90 * days, first + 90 * days]);
    const authority = await bench.row(x5c, "registry_authority", "active");
    const root = new X509Certificate(authority.certificate ?? "");
    expect([root.ca, leaf.ca, leaf.checkIssued(root), leaf.verify(root.publicKey)]).toEqual([true, false, true, true]);
  });
});

describe.each(lines)("the key of %s for %s", (owner, purpose, lifetime) => {
  it(`is turned after ${lifetime} days, and the next one was known all the time`, async () => {
    const registry = ownerOf(owner);
    const [active, next] = await Promise.all([
      bench.row(registry, purpose, "active"),
      bench.row(registry, purpose, "next"),
    ]);
    bench.now = first + lifetime * days - hours;
    await bench.maintain();
    if (purpose !== "registry_authority") expect((await bench.row(registry, purpose, "active")).id).toBe(active.id);
    bench.now += hours;
    await bench.maintain();
    const turned = await bench.row(registry, purpose, "active");
    expect([turned.id, turned.activatedAt]).toEqual([next.id, new Date(bench.now)]);
    const newest = await bench.row(registry, purpose, "next");
    expect([active.id, next.id]).not.toContain(newest.id);
    expect(newest.createdAt).toEqual(new Date(bench.now));
    const rows = await bench.rows(registry, purpose);
    expect(rows.find(({ id }) => id === active.id)).toMatchObject({
      status: "retired",
      retiredAt: new Date(bench.now),
      sealedPrivateKey: null,
    });
  });

  it("is turned once, however late", async () => {
    bench.now = first + 7 * 365 * days;
    await bench.maintain();
    await bench.maintain();
    expect(await statuses(ownerOf(owner), purpose)).toEqual(["active", "next", "retired"]);
    for (const registry of [x5c, kid]) {
      expect(await (await bench.startRegistry(registry)).accepts(await bench.mint(registry))).toBe(true);
    }
  });

  it("is trusted for a day once it has retired, then no more, and is not to be had again", async () => {
    const registry = ownerOf(owner);
    const before = await bench.row(registry, purpose, "active");
    bench.now = first + lifetime * days;
    await bench.maintain();
    const published = async () => {
      if (!registry) return (await bench.keys().robotToken()).verifying.map(({ kid: name }) => name);
      const { certificates, named } = await bench.keys().registry(registry.id);
      return [...certificates, ...named.map(({ kid: name }) => name)];
    };
    const name = owner === "x5c" ? (before.certificate ?? "") : before.kid;
    const isPublished = owner !== "x5c" || purpose === "registry_authority";
    const verifies = async () =>
      registry && purpose === "registry_token"
        ? (await bench.keys().registry(registry.id)).verifying.length
        : undefined;
    bench.now += days - 1;
    expect((await published()).includes(name)).toBe(isPublished);
    const trusted = await verifies();
    bench.now += 1;
    expect(await published()).not.toContain(name);
    if (trusted !== undefined) expect([trusted, await verifies()]).toEqual([3, 2]);
    await bench.maintain();
    expect((await bench.rows(registry, purpose)).filter(({ sealedPrivateKey }) => sealedPrivateKey)).toHaveLength(2);
  });
});

describe.each(["x5c", "kid"] as const)("a registry of the %s profile", (keyProfile) => {
  it.each([1, 7, 90, 5 * 365])("keeps to its own %i days", async (rotationDays) => {
    const registry = await bench.addRegistry("own.example", { keyProfile, rotationDays });
    const { id } = await bench.row(registry, "registry_token", "active");
    const turnedAfter = async (time: number) => {
      bench.now = first + time;
      await bench.maintain();
      return (await bench.row(registry, "registry_token", "active")).id !== id;
    };
    expect(await turnedAfter(rotationDays * days - hours)).toBe(false);
    expect(await turnedAfter(rotationDays * days)).toBe(true);
  });
});

it("a named key of a registry with 0 days is active until it is turned by hand", async () => {
  const registry = await bench.addRegistry("own.example", { keyProfile: "kid", rotationDays: 0 });
  const { id } = await bench.row(registry, "registry_token", "active");
  bench.now = first + 10 * 365 * days;
  await bench.maintain();
  expect((await bench.row(registry, "registry_token", "active")).id).toBe(id);
});

it("a leaf is turned while 30 days of its certificate are left, whatever the registry was told before", async () => {
  await bench.change(x5c, { rotationDays: 300 });
  const { id } = await bench.row(x5c, "registry_token", "active");
  bench.now = first + 60 * days;
  await bench.maintain();
  const { id: turned, notAfter } = await bench.row(x5c, "registry_token", "active");
  expect(turned).not.toBe(id);
  expect(notAfter).toEqual(new Date(bench.now + 330 * days));
});

describe("a registry that runs for years", () => {
  it("of the x5c profile refuses nothing for nine years without a restart, though leaf and authority turn", async () => {
    const registry = await bench.startRegistry(x5c);
    let kept = await bench.mint(x5c);
    const authorities = new Set<string>();
    for (let day = 0; day < 9 * 365; day += 10) {
      bench.now = first + day * days;
      await bench.maintain();
      const token = await bench.mint(x5c);
      expect([day, await registry.accepts(kept), await registry.accepts(token)]).toEqual([day, true, true]);
      kept = token;
      authorities.add((await bench.row(x5c, "registry_authority", "active")).id);
    }
    expect(authorities.size).toBe(2);
  });

  it("of the kid profile refuses nothing when it is restarted once between two turns", async () => {
    let registry = await bench.startRegistry(kid);
    const keys = new Set<string>();
    for (let day = 0; day < 4 * 365; day += 5) {
      bench.now = first + day * days;
      const before = await bench.mint(kid);
      await bench.maintain();
      expect([day, await registry.accepts(before)]).toEqual([day, true]);
      expect([day, await registry.accepts(await bench.mint(kid))]).toEqual([day, true]);
      if (day % 365 === 180 || day % 365 === 185) registry = await bench.startRegistry(kid);
      keys.add((await bench.row(kid, "registry_token", "active")).id);
    }
    expect(keys.size).toBe(4);
  });
});
