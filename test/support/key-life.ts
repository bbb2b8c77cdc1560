import { X509Certificate } from "node:crypto";
import { rm } from "node:fs/promises";
import { decodeProtectedHeader } from "jose";
import { uuidv7 } from "uuidv7";
import { openEmbedded } from "../../src/ports/node/database.ts";
import { maintain } from "../../src/services/bootstrap.ts";
import { type KeyLife, openKeyLife } from "../../src/services/key-life.ts";
import { createKeys } from "../../src/services/key-ring.ts";
import { alone } from "../../src/store/alone.ts";
import { unheard } from "../../src/store/changes.ts";
import type { Db } from "../../src/store/db.ts";
import { findRegistry, insertRegistry, type Registry, updateRegistry } from "../../src/store/registries.ts";
import { registries, signingKeys } from "../../src/store/schema.ts";
import { listSigningKeys, type SigningKeyRow } from "../../src/store/signing-keys.ts";
import type { Keys } from "../../src/tokens/key-ring.ts";
import { mintRegistryToken } from "../../src/tokens/registry-token.ts";
import { createSealer, type Sealer } from "../../src/tokens/sealing.ts";
import type { KeyPurpose } from "../../src/tokens/signing-key.ts";
import { makeDataDir } from "./embedded-database.ts";
import { makeSealingKey } from "./signing-keys.ts";

/** Milliseconds. */
export const hours = 3600 * 1000;
export const days = 24 * hours;

/** Signing keys in an embedded database, and a time that a test sets: milliseconds. */
export interface KeyBench {
  readonly db: Db;
  sealer: Sealer;
  now: number;
  /** Forgets all keys and registries, and makes the first ones. */
  restart(): Promise<void>;
  addRegistry(service: string, settings?: Partial<Registry>): Promise<Registry>;
  /** A registry with settings that were changed since. */
  change(registry: Registry, change: Partial<Registry>): Promise<Registry>;
  maintain(): Promise<void>;
  /** Goes on to `until`, with maintenance every hour. */
  live(until: number): Promise<void>;
  turn<T>(work: (life: KeyLife) => Promise<T> | T): Promise<T>;
  rows(registry?: Registry, purpose?: KeyPurpose): Promise<SigningKeyRow[]>;
  row(registry: Registry | undefined, purpose: KeyPurpose, status: SigningKeyRow["status"]): Promise<SigningKeyRow>;
  /** As a service that has just started reads them. */
  keys(): Keys;
  /** What a registry reads when it is started now. */
  startRegistry(registry: Registry): Promise<StartedRegistry>;
  mint(registry: Registry): Promise<string>;
  remove(): Promise<void>;
}

export async function createKeyBench(): Promise<KeyBench> {
  const directory = await makeDataDir();
  const { db, close } = await openEmbedded(directory);
  const random = { uuid: uuidv7 };
  const clock = { now: () => bench.now };
  const deps = () => ({ config: { auditRetentionDays: 0 }, db, sealer: bench.sealer, clock, random });
  const bench: KeyBench = {
    db,
    sealer: await createSealer([makeSealingKey()]),
    now: FIRST,
    async restart() {
      bench.now = FIRST;
      bench.sealer = await createSealer([makeSealingKey()]);
      await db.delete(signingKeys);
      await db.delete(registries);
      await bench.maintain();
    },
    async addRegistry(service, settings) {
      const createdAt = new Date(bench.now);
      await insertRegistry(db, { ...settings, id: uuidv7(), service, isDefault: false, createdAt });
      return bench.change(await found(service), {});
    },
    async change(registry, change) {
      await updateRegistry(db, registry.id, change);
      const changed = await found(registry.service);
      await bench.turn((life) => life.complete(changed));
      return changed;
    },
    maintain: () => maintain(db, deps()),
    async live(until) {
      while (bench.now < until) {
        bench.now = Math.min(bench.now + hours, until);
        await bench.maintain();
      }
    },
    turn: (work) => alone(db, async (tx) => work(await openKeyLife(tx, deps()))),
    async rows(registry, purpose) {
      const rows = await listSigningKeys(db);
      return rows.filter(
        (row) => row.registryId === (registry?.id ?? null) && (purpose === undefined || row.purpose === purpose),
      );
    },
    async row(registry, purpose, status) {
      const [row, ...others] = (await bench.rows(registry, purpose)).filter((one) => one.status === status);
      if (!row || others.length > 0) throw new Error(`there are ${others.length + (row ? 1 : 0)} ${status} keys`);
      return row;
    },
    keys: () => createKeys({ ...deps(), changes: unheard }),
    async startRegistry(registry) {
      const { certificates } = await bench.keys().registry(registry.id);
      const trusted = certificates.map((pem) => new X509Certificate(pem));
      return { accepts: (token) => accepts(token, trusted, bench.now) };
    },
    async mint(registry) {
      const { signing } = await bench.keys().registry(registry.id);
      const issuedAt = Math.floor(bench.now / 1000);
      return mintRegistryToken(
        { issuer: "i", service: registry.service, subject: "", access: [], jti: "j", issuedAt, ttl: 900 },
        await signing(),
      );
    },
    async remove() {
      await close();
      await rm(directory, { recursive: true });
    },
  };
  return bench;

  async function found(service: string): Promise<Registry> {
    const registry = await findRegistry(db, service);
    if (!registry) throw new Error(`there is no registry ${service}`);
    return registry;
  }
}

const FIRST = Date.UTC(2030, 0, 1);

/** A registry that reads its file when it starts, as Distribution does. */
export interface StartedRegistry {
  accepts(token: string): Promise<boolean>;
}

async function accepts(token: string, trusted: readonly X509Certificate[], now: number): Promise<boolean> {
  const { x5c, kid } = decodeProtectedHeader(token);
  const [leaf, ...others] = x5c
    ? x5c.map((der) => new X509Certificate(Buffer.from(der, "base64")))
    : await namedBy(kid, trusted);
  if (!leaf || (x5c && !leadsTo(trusted, [leaf, ...others], now))) return false;
  const [signed = "", signature = ""] = splitAtLastDot(token);
  const key = await crypto.subtle.importKey(
    "spki",
    leaf.publicKey.export({ type: "spki", format: "der" }),
    ES256,
    true,
    ["verify"],
  );
  return crypto.subtle.verify(ES256, key, Buffer.from(signature, "base64url"), Buffer.from(signed));
}

function leadsTo(
  trusted: readonly X509Certificate[],
  [first, ...rest]: readonly X509Certificate[],
  now: number,
): boolean {
  if (!first || !isCurrent(first, now)) return false;
  const issuedBy = (issuer: X509Certificate) =>
    issuer.ca && first.checkIssued(issuer) && first.verify(issuer.publicKey);
  if (trusted.some((root) => isCurrent(root, now) && issuedBy(root))) return true;
  const [next] = rest;
  return next !== undefined && issuedBy(next) && leadsTo(trusted, rest, now);
}

function isCurrent({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now < Date.parse(validTo);
}

async function namedBy(kid: string | undefined, trusted: readonly X509Certificate[]): Promise<X509Certificate[]> {
  const named = await Promise.all(trusted.map(async (one) => ({ one, kid: await libtrustKeyId(one) })));
  return named.filter((one) => one.kid === kid).map(({ one }) => one);
}

/** As libtrust says it: the first 30 bytes of SHA-256 over the public key's DER, in base32, in groups of four. */
export async function libtrustKeyId({ publicKey }: X509Certificate): Promise<string> {
  const der = publicKey.export({ type: "spki", format: "der" });
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", new Uint8Array(der))).subarray(0, 30);
  const bits = [...digest].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const letters =
    bits.match(/.{5}/g)?.map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)]) ?? [];
  return letters.join("").match(/.{4}/g)?.join(":") ?? "";
}

const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

function splitAtLastDot(token: string): [string, string] {
  const dot = token.lastIndexOf(".");
  return [token.slice(0, dot), token.slice(dot + 1)];
}
