import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Registry, updateRegistry } from "../../src/store/registries.ts";
import { signingKeys } from "../../src/store/schema.ts";
import { insertSigningKey, type SigningKeyRow } from "../../src/store/signing-keys.ts";
import { issueAuthority, issueLeaf } from "../../src/tokens/certificates.ts";
import { createSealer, SealError } from "../../src/tokens/sealing.ts";
import { generateKey, openKey } from "../../src/tokens/signing-key.ts";
import { createKeyBench, days, hours, type KeyBench } from "../support/key-life.ts";
import { makeSealingKey } from "../support/signing-keys.ts";

let bench: KeyBench;
let x5c: Registry;
let kid: Registry;

beforeAll(async () => {
  bench = await createKeyBench();
});
beforeEach(async () => {
  await bench.restart();
  x5c = await bench.addRegistry("x5c.example");
  kid = await bench.addRegistry("kid.example", { keyProfile: "kid" });
});
afterAll(() => bench.remove());

const rowsOfAll = async () => (await Promise.all([undefined, x5c, kid].map((one) => bench.rows(one)))).flat();
const published = async ({ id }: Registry) => {
  const { certificates, named } = await bench.keys().registry(id);
  return { certificates, names: named.map(({ kid: name }) => name) };
};
const profiles = async (registry: Registry) => ({
  active: (await bench.row(registry, "registry_token", "active")).profile,
  next: (await bench.row(registry, "registry_token", "next")).profile,
});

describe("keys that leaked", () => {
  it.each(["x5c", "kid"] as const)(
    "of a registry of the %s profile are gone at once, and nobody else's",
    async (profile) => {
      const [registry, other] = profile === "x5c" ? [x5c, kid] : [kid, x5c];
      await bench.turn((life) => life.rotateSigningKey(registry));
      bench.now += hours;
      const others = async () => [...(await bench.rows()), ...(await bench.rows(other))];
      const [before, untouched, leaked] = [await bench.rows(registry), await others(), await published(registry)];
      await bench.turn((life) => life.revoke(registry));
      const now = await published(registry);
      for (const one of [...leaked.certificates, ...leaked.names]) {
        expect([...now.certificates, ...now.names]).not.toContain(one);
      }
      const after = await bench.rows(registry);
      for (const { id } of before) {
        expect(after.find((row) => row.id === id)).toMatchObject({ status: "revoked", sealedPrivateKey: null });
      }
      expect(now.certificates).toHaveLength(2);
      expect((await bench.keys().registry(registry.id)).verifying).toHaveLength(2);
      expect(await others()).toEqual(untouched);
      expect(await (await bench.startRegistry(registry)).accepts(await bench.mint(registry))).toBe(true);
      bench.now += 30 * days;
      await bench.maintain();
      expect((await published(registry)).certificates).toEqual(now.certificates);
    },
  );

  it("of robot tokens verify nothing more, neither the active nor the next nor one that had just retired", async () => {
    await bench.turn((life) => life.rotateRobotTokenKey());
    const leaked = (await bench.keys().robotToken()).verifying.map(({ kid: name }) => name);
    expect(leaked).toHaveLength(3);
    const before = await bench.rows(x5c);
    await bench.turn((life) => life.revoke(undefined));
    const { signing, verifying } = await bench.keys().robotToken();
    const { kid: signs } = await signing();
    expect(verifying).toHaveLength(2);
    for (const name of [signs, ...verifying.map((key) => key.kid)]) expect(leaked).not.toContain(name);
    expect(await Promise.all(leaked.map((name) => bench.keys().robotTokenKey(name)))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(await bench.rows(x5c)).toEqual(before);
  });

  it("are no longer trusted by whoever had read them, once that is a second ago", async () => {
    const keys = bench.keys();
    const { kid: name } = await (await keys.robotToken()).signing();
    expect(await keys.robotTokenKey(name)).toBeDefined();
    await bench.turn((life) => life.revoke(undefined));
    bench.now += 1000;
    expect(await keys.robotTokenKey(name)).toBeUndefined();
    expect(await keys.isOwn((await bench.rows(undefined, "robot_token"))[0]?.publicJwk ?? {})).toBe(true);
  });
});

describe("another key profile", () => {
  it("is that of the next key, and signs only once that has been known for a day and the time has come", async () => {
    const registry = await bench.startRegistry(x5c);
    x5c = await bench.change(x5c, { keyProfile: "kid" });
    expect(await profiles(x5c)).toEqual({ active: "x5c", next: "kid" });
    const { certificates, names } = await published(x5c);
    expect([certificates.length, names.length]).toEqual([3, 1]);
    expect(await registry.accepts(await bench.mint(x5c))).toBe(true);
    bench.now += 59 * days;
    await bench.maintain();
    expect(await profiles(x5c)).toEqual({ active: "x5c", next: "kid" });
    bench.now += days;
    const restarted = await bench.startRegistry(x5c);
    await bench.maintain();
    expect(await profiles(x5c)).toEqual({ active: "kid", next: "kid" });
    expect(await restarted.accepts(await bench.mint(x5c))).toBe(true);
    bench.now += days;
    expect((await published(x5c)).certificates).toHaveLength(2);
  });

  it("that is chosen just before a key is due waits until it has been known for a day", async () => {
    bench.now += 60 * days - hours;
    x5c = await bench.change(x5c, { keyProfile: "kid" });
    bench.now += 23 * hours;
    await bench.maintain();
    expect(await profiles(x5c)).toEqual({ active: "x5c", next: "kid" });
    bench.now += hours;
    await bench.maintain();
    expect(await profiles(x5c)).toEqual({ active: "kid", next: "kid" });
  });

  it("that is taken back leaves the registry as it was, and its next key is never used", async () => {
    x5c = await bench.change(x5c, { keyProfile: "kid" });
    const { id } = await bench.row(x5c, "registry_token", "next");
    const registry = await bench.startRegistry(x5c);
    x5c = await bench.change(x5c, { keyProfile: "x5c" });
    expect(await profiles(x5c)).toEqual({ active: "x5c", next: "x5c" });
    expect((await published(x5c)).names).toEqual([]);
    expect((await bench.rows(x5c)).find((row) => row.id === id)).toMatchObject({
      status: "revoked",
      sealedPrivateKey: null,
    });
    await bench.turn((life) => life.rotateSigningKey(x5c));
    expect(await registry.accepts(await bench.mint(x5c))).toBe(true);
  });

  it("x5c of a registry of the kid profile comes with authorities, published as long before", async () => {
    kid = await bench.change(kid, { keyProfile: "x5c" });
    expect((await published(kid)).certificates).toHaveLength(3);
    const restarted = await bench.startRegistry(kid);
    const before = await bench.mint(kid);
    bench.now += days;
    await bench.turn((life) => life.rotateSigningKey(kid));
    expect(await profiles(kid)).toEqual({ active: "x5c", next: "x5c" });
    const tokens = [before, await bench.mint(kid)];
    expect(await Promise.all(tokens.map((token) => restarted.accepts(token)))).toEqual([true, true]);
  });

  it.each([6, 21])("there and back again after %i years begins with an authority that is good", async (years) => {
    x5c = await bench.change(x5c, { keyProfile: "kid" });
    bench.now += days;
    await bench.turn((life) => life.rotateSigningKey(x5c));
    bench.now += years * 365 * days;
    await bench.maintain();
    x5c = await bench.change(x5c, { keyProfile: "x5c" });
    const registry = await bench.startRegistry(x5c);
    await bench.turn((life) => life.rotateSigningKey(x5c));
    expect(await registry.accepts(await bench.mint(x5c))).toBe(true);
  });
});

describe("what a registry does not know yet", () => {
  const unknown = (registry: Registry, purpose: "registry_authority" | "registry_token") =>
    bench.turn((life) => life.unknownSince(registry, purpose));

  it("is neither a leaf nor what was there from the beginning", async () => {
    for (const [registry, purpose] of [
      [x5c, "registry_token"],
      [x5c, "registry_authority"],
      [kid, "registry_token"],
    ] as const) {
      expect(await unknown(registry, purpose)).toBeUndefined();
    }
    bench.now += hours;
    await bench.turn((life) => life.rotateSigningKey(x5c));
    expect(await unknown(x5c, "registry_token")).toBeUndefined();
  });

  it.each(["authority", "named key"])("is the next %s, for a day", async (what) => {
    bench.now += hours;
    const [registry, purpose] =
      what === "authority" ? ([x5c, "registry_authority"] as const) : ([kid, "registry_token"] as const);
    await bench.turn((life) =>
      what === "authority" ? life.rotateAuthority(registry) : life.rotateSigningKey(registry),
    );
    const since = new Date(bench.now);
    expect(await unknown(registry, purpose)).toEqual(since);
    bench.now += days - 1;
    expect(await unknown(registry, purpose)).toEqual(since);
    bench.now += 1;
    expect(await unknown(registry, purpose)).toBeUndefined();
  });

  it("is neither of the keys that took the place of leaked ones: the registry has to be restarted anyway", async () => {
    bench.now += hours;
    await bench.turn((life) => life.revoke(kid));
    expect(await unknown(kid, "registry_token")).toBeUndefined();
  });
});

describe("another sealing key", () => {
  it("seals anew what the one before sealed, the next keys too, which opens nothing any more", async () => {
    const [old, fresh] = [makeSealingKey(), makeSealingKey()];
    bench.sealer = await createSealer([old]);
    await bench.db.delete(signingKeys);
    await bench.maintain();
    const before = new Map((await rowsOfAll()).map((row) => [row.id, row.sealedPrivateKey]));
    bench.sealer = await createSealer([fresh, old]);
    await bench.maintain();
    bench.sealer = await createSealer([fresh]);
    await bench.maintain();
    const after = await rowsOfAll();
    expect(after).toHaveLength(before.size);
    for (const row of after) {
      expect(row.sealedPrivateKey).not.toBe(before.get(row.id));
      expect(await openKey(row, bench.sealer)).toMatchObject({ kid: row.kid });
      await expect(openKey(row, await createSealer([old]))).rejects.toBeInstanceOf(SealError);
    }
  });

  it("that opens not all there is is refused, and nothing is changed", async () => {
    const before = await rowsOfAll();
    bench.sealer = await createSealer([makeSealingKey()]);
    bench.now += 6 * 365 * days;
    await expect(bench.maintain()).rejects.toBeInstanceOf(SealError);
    expect(await rowsOfAll()).toEqual(before);
  });

  it("opens no key that was put in another's place", async () => {
    const [active, next] = [
      await bench.row(x5c, "registry_token", "active"),
      await bench.row(x5c, "registry_token", "next"),
    ];
    await expect(openKey({ ...active, sealedPrivateKey: next.sealedPrivateKey }, bench.sealer)).rejects.toThrow(
      SealError,
    );
    for (const change of [{ registryId: kid.id }, { purpose: "registry_authority" }, { id: next.id }] as const) {
      await expect(openKey({ ...active, ...change }, bench.sealer)).rejects.toBeInstanceOf(SealError);
    }
  });
});

describe("a database as an older version left it", () => {
  it("is brought up, and its registry refuses nothing before or after", async () => {
    const rows = await leaveOld(x5c);
    const token = await bench.mint(x5c);
    const registry = await bench.startRegistry(x5c);
    expect(await registry.accepts(token)).toBe(true);
    bench.now += 59 * days;
    await bench.maintain();
    for (const { id, purpose } of rows)
      expect((await bench.row(purpose === "robot_token" ? undefined : x5c, purpose, "active")).id).toBe(id);
    expect((await published(x5c)).certificates).toHaveLength(2);
    expect((await bench.keys().registry(x5c.id)).verifying).toHaveLength(2);
    for (const age of [59, 60, 61, 120, 400]) {
      bench.now = rows[0].createdAt.getTime() + age * days;
      await bench.maintain();
      expect([age, await registry.accepts(await bench.mint(x5c))]).toEqual([age, true]);
    }
    expect((await bench.row(x5c, "registry_token", "active")).id).not.toBe(rows[2].id);
  });

  /** One key of each kind, with no next one, as it was before keys had a life. */
  async function leaveOld(registry: Registry): Promise<readonly [SigningKeyRow, SigningKeyRow, SigningKeyRow]> {
    await bench.db.delete(signingKeys);
    await updateRegistry(bench.db, registry.id, { keyProfile: "x5c" });
    const seconds = Math.floor(bench.now / 1000);
    const make = async (purpose: SigningKeyRow["purpose"]) => {
      const registryId = purpose === "robot_token" ? null : registry.id;
      return generateKey({ id: crypto.randomUUID(), purpose, registryId, profile: null }, bench.sealer);
    };
    const [robot, authority, leaf] = [
      await make("robot_token"),
      await make("registry_authority"),
      await make("registry_token"),
    ];
    const key = await openKey(authority, bench.sealer);
    const { pem, notAfter } = await issueAuthority(key, registry.service, seconds);
    const leafKey = await openKey(leaf, bench.sealer);
    const issued = await issueLeaf(leafKey, registry.service, { key, pem }, seconds, 90 * 24 * 3600);
    const at = new Date(bench.now);
    const common = { profile: null, status: "active", createdAt: at, activatedAt: at, retiredAt: null } as const;
    const rows = [
      { ...robot, ...common, certificate: null, notAfter: null },
      { ...authority, ...common, certificate: pem, notAfter: new Date(notAfter * 1000) },
      {
        ...leaf,
        ...common,
        profile: "x5c",
        certificate: issued.pem,
        notAfter: new Date(issued.notAfter * 1000),
      },
    ] as const;
    for (const row of rows) await insertSigningKey(bench.db, row);
    return rows;
  }
});
