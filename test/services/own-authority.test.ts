import { X509Certificate } from "node:crypto";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Registry } from "../../src/store/registries.ts";
import { readAuthority } from "../../src/tokens/brought-authority.ts";
import { createAuthority, type TestAuthority } from "../support/authorities.ts";
import { createKeyBench, days, hours, type KeyBench } from "../support/key-life.ts";

let bench: KeyBench;
let registry: Registry;
let root: TestAuthority;
let middle: TestAuthority;
let issuing: TestAuthority;

beforeAll(async () => {
  bench = await createKeyBench();
});
beforeEach(async () => {
  await bench.restart();
  registry = await bench.addRegistry("own.example");
  root = await createAuthority({ commonName: "Root", until: bench.now + 4000 * days });
  middle = await createAuthority({ by: root, commonName: "Middle", until: bench.now + 2000 * days });
  issuing = await createAuthority({ by: middle, commonName: "Issuing", until: bench.now + 400 * days });
});
afterAll(() => bench.remove());

async function bring(certificates: string, { privateKey }: TestAuthority): Promise<void> {
  const read = await readAuthority({ certificates, privateKey }, bench.now / 1000);
  if (!read.ok) throw new Error(read.problem.message);
  await bench.turn((life) => life.bringAuthority(registry, read.pair, read.certificate));
}
const chain = () => issuing.pem + middle.pem + root.pem;
const certificates = async () => (await bench.keys().registry(registry.id)).certificates;
const x5cOf = (token: string) =>
  (decodeProtectedHeader(token).x5c ?? []).map((der) => new X509Certificate(Buffer.from(der, "base64")));

it("an authority that is brought becomes the next one, and its root is what registries are given", async () => {
  const [own, before] = await certificates();
  await bring(chain(), issuing);
  expect(await certificates()).toEqual([own, root.pem]);
  expect(before).not.toBe(root.pem);
  expect(x5cOf(await bench.mint(registry))).toHaveLength(1);
  const rows = await bench.rows(registry, "registry_authority");
  expect(rows.map(({ status, sealedPrivateKey }) => [status, sealedPrivateKey !== null]).sort()).toEqual([
    ["active", true],
    ["next", true],
    ["revoked", false],
  ]);
});

it("once it issues, a token brings its leaf and all between it and the root, which a restarted registry accepts", async () => {
  const old = await bench.startRegistry(registry);
  const before = await bench.mint(registry);
  bench.now += hours;
  await bring(chain(), issuing);
  const restarted = await bench.startRegistry(registry);
  expect(await bench.turn((life) => life.unknownSince(registry, "registry_authority"))).toEqual(new Date(bench.now));
  await bench.turn((life) => life.rotateAuthority(registry));
  const token = await bench.mint(registry);
  const [leaf, ...above] = x5cOf(token);
  expect(above.map(({ subject }) => subject)).toEqual(["CN=Issuing", "CN=Middle"]);
  expect(leaf?.checkIssued(new X509Certificate(issuing.pem))).toBe(true);
  expect([await restarted.accepts(before), await restarted.accepts(token)]).toEqual([true, true]);
  expect([await old.accepts(before), await old.accepts(token)]).toEqual([true, false]);
});

it("a root that is brought alone issues by itself", async () => {
  await bring(root.pem, root);
  const restarted = await bench.startRegistry(registry);
  await bench.turn((life) => life.rotateAuthority(registry));
  const token = await bench.mint(registry);
  expect([x5cOf(token).length, await restarted.accepts(token)]).toEqual([1, true]);
});

it("another one takes the place of one that was brought and not used", async () => {
  await bring(chain(), issuing);
  await bring(root.pem, root);
  expect((await certificates()).slice(1)).toEqual([root.pem]);
  expect((await bench.rows(registry, "registry_authority")).filter(({ status }) => status === "revoked")).toHaveLength(
    2,
  );
});

it("makes way in time for one of the service's own, and no leaf outlives it", async () => {
  await bring(chain(), issuing);
  await bench.turn((life) => life.rotateAuthority(registry));
  const until = bench.now + 400 * days;
  const running = await bench.startRegistry(registry);
  for (; bench.now < until + 100 * days; bench.now += 10 * days) {
    await bench.maintain();
    const token = await bench.mint(registry);
    const [leaf] = x5cOf(token);
    expect([until - bench.now, await running.accepts(token)]).toEqual([until - bench.now, true]);
    if (leaf?.issuer === "CN=Issuing") expect(Date.parse(leaf.validTo)).toBeLessThanOrEqual(until);
  }
  expect(x5cOf(await bench.mint(registry))).toHaveLength(1);
});

it("issues no leaf that outlives it, however long leaves last", async () => {
  registry = await bench.change(registry, { rotationDays: 300 });
  await bring(chain(), issuing);
  await bench.turn((life) => life.rotateAuthority(registry));
  bench.now += 150 * days;
  await bench.turn((life) => life.rotateSigningKey(registry));
  const [leaf] = x5cOf(await bench.mint(registry));
  expect(leaf?.validTo).toBe(new X509Certificate(issuing.pem).validTo);
});

it("waits for a day before it issues, though the one before is due", async () => {
  bench.now += 5 * 365 * days - hours;
  const longer = await createAuthority({ until: bench.now + 4000 * days });
  await bring(longer.pem, longer);
  const { id } = await bench.row(registry, "registry_authority", "active");
  for (const [later, isTurned] of [
    [hours, false],
    [22 * hours, false],
    [hours, true],
  ] as const) {
    bench.now += later;
    await bench.maintain();
    expect((await bench.row(registry, "registry_authority", "active")).id !== id).toBe(isTurned);
  }
});

it("is gone with the others when keys leaked", async () => {
  await bring(chain(), issuing);
  bench.now += hours;
  await bench.turn((life) => life.revoke(registry));
  expect(await certificates()).not.toContain(root.pem);
  const rows = await bench.rows(registry, "registry_authority");
  expect(
    rows
      .filter(({ sealedPrivateKey }) => sealedPrivateKey !== null)
      .map(({ status }) => status)
      .sort(),
  ).toEqual(["active", "next"]);
});
