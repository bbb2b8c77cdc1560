import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createKeys } from "../../src/services/key-ring.ts";
import { turnsAt, turnWarnings } from "../../src/services/key-schedule.ts";
import { unheard } from "../../src/store/changes.ts";
import type { Db } from "../../src/store/db.ts";
import type { Registry } from "../../src/store/registries.ts";
import type { KeyPurpose } from "../../src/tokens/signing-key.ts";
import { createKeyBench, days, type KeyBench } from "../support/key-life.ts";

let bench: KeyBench;
let first: number;

beforeAll(async () => {
  bench = await createKeyBench();
});
beforeEach(async () => {
  await bench.restart();
  first = bench.now;
});
afterAll(() => bench.remove());

const byCertificate = () => bench.addRegistry("x5c.example");
const byName = (settings: Partial<Registry> = {}) =>
  bench.addRegistry("kid.example", { keyProfile: "kid", ...settings });

const activeId = async (registry: Registry, purpose: KeyPurpose = "registry_token") =>
  (await bench.row(registry, purpose, "active")).id;

async function turnOf(registry: Registry, purpose: KeyPurpose = "registry_token"): Promise<Date | undefined> {
  return turnsAt(registry, await bench.row(registry, purpose, "active"));
}

/** What is warned of at a time, in milliseconds since the beginning. */
const warned = async (registry: Registry, at: number) =>
  turnWarnings(registry, await bench.rows(registry), new Date(first + at));

describe("a key that is found by name", () => {
  it("tells when it will be turned, and is warned of for 30 days before", async () => {
    const kid = await byName();
    const at = await turnOf(kid);
    expect(at).toEqual(new Date(first + 365 * days));
    expect(await warned(kid, 334 * days)).toEqual([]);
    const [warning, ...others] = await warned(kid, 336 * days);
    expect(others).toEqual([]);
    expect(warning).toContain(`signing key takes over at ${at?.toISOString()}`);
    expect(warning).toContain(`started before ${new Date(first).toISOString()}`);
    expect(warning).toMatch(/restart it before then/);

    const before = await activeId(kid);
    bench.now = first + 364 * days;
    await bench.maintain();
    expect(await activeId(kid)).toBe(before);
    bench.now = first + 365 * days;
    await bench.maintain();
    expect(await activeId(kid)).not.toBe(before);
    expect(await warned(kid, 365 * days)).toEqual([]);
  });

  it("with rotation_days 0 is turned by nobody but its operator, and warned of by nobody", async () => {
    const kid = await byName({ rotationDays: 0 });
    const before = await activeId(kid);
    for (const years of [1, 5, 10, 19]) {
      bench.now = first + years * 365 * days;
      await bench.maintain();
      expect(await activeId(kid)).toBe(before);
      expect(await warned(kid, years * 365 * days)).toEqual([]);
    }
    await bench.turn((life) => life.rotateSigningKey(kid));
    expect(await activeId(kid)).not.toBe(before);
  });
});

describe("a key that comes with its certificate", () => {
  it("tells when it will be turned, and needs no warning", async () => {
    const x5c = await byCertificate();
    expect(await turnOf(x5c)).toEqual(new Date(first + 60 * days));
    for (const day of [31, 59, 60, 89]) expect(await warned(x5c, day * days)).toEqual([]);
  });

  it("has an authority whose turn is warned of, for a registry learns of it by a restart", async () => {
    const x5c = await byCertificate();
    const at = await turnOf(x5c, "registry_authority");
    expect(at).toEqual(new Date(first + 5 * 365 * days));
    expect(await warned(x5c, (5 * 365 - 31) * days)).toEqual([]);
    expect(await warned(x5c, (5 * 365 - 29) * days)).toEqual([
      expect.stringContaining(`authority takes over at ${at?.toISOString()}`),
    ]);
  });

  it("is warned of when the next one is found by name", async () => {
    const x5c = await byCertificate();
    const changed = await bench.change(x5c, { keyProfile: "kid" });
    expect(await warned(changed, 59 * days)).toEqual([expect.stringContaining("signing key takes over")]);
  });

  it("that a clock 61 days ahead made is made anew when the clock is right again", async () => {
    const x5c = await byCertificate();
    const registry = await bench.startRegistry(x5c);
    bench.now = first + 61 * days;
    await bench.maintain();
    const ahead = await bench.row(x5c, "registry_token", "active");
    expect(ahead.activatedAt).toEqual(new Date(bench.now));
    bench.now = first;
    expect(await registry.accepts(await bench.mint(x5c))).toBe(false);

    await bench.maintain();
    const right = await bench.row(x5c, "registry_token", "active");
    expect(right.id).not.toBe(ahead.id);
    expect(Date.parse(new X509Certificate(right.certificate ?? "").validFrom)).toBeLessThanOrEqual(first);
    expect(await registry.accepts(await bench.mint(x5c))).toBe(true);
    await bench.maintain();
    expect(await activeId(x5c)).toBe(right.id);
  });
});

it("keys that cannot be read again after a change are forgotten, and the change stands", async () => {
  const x5c = await byCertificate();
  const flaky = breakable(bench.db);
  const keys = createKeys({ db: flaky.db, sealer: bench.sealer, clock: { now: () => bench.now }, changes: unheard });
  const before = (await keys.registry(x5c.id)).certificates;
  await bench.turn((life) => life.revoke(x5c));
  flaky.isBroken = true;
  await keys.reload();
  await expect(keys.registry(x5c.id)).rejects.toThrow("the connection is lost");
  flaky.isBroken = false;
  const after = (await keys.registry(x5c.id)).certificates;
  expect(after).toHaveLength(before.length);
  for (const certificate of after) expect(before).not.toContain(certificate);
});

/** A database whose connection a test can break. */
function breakable(db: Db) {
  const flaky = {
    isBroken: false,
    db: new Proxy(db, {
      get(target, name) {
        if (flaky.isBroken) throw new Error("the connection is lost");
        const member = Reflect.get(target, name, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
    }),
  };
  return flaky;
}
