import type { JWK } from "jose";
import { putRecent } from "../domain/recent.ts";
import type { Refusal } from "../domain/refusal.ts";
import { limits } from "../limits.ts";
import type { Metrics } from "../platform.ts";
import { describeFailure, fetchKeys } from "./discovery.ts";
import type { IssuerKey } from "./issuer-key.ts";
import { type KeySet, readKeySet } from "./key-set.ts";
import type { IssuerFetch } from "./safe-fetch.ts";

export interface IssuerKeysDeps {
  readonly fetch: IssuerFetch;
  /** Berth's own address. */
  readonly publicUrl: string;
  /** Development only: http, and addresses of one's own network, for every issuer. */
  readonly allowInsecure: boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly metrics?: Pick<Metrics, "keyFetch" | "cacheLookup">;
}

/** An issuer, and where its keys come from. Several may share one issuer string, and no key. */
export interface IssuerSource {
  readonly id: string;
  /** Moves with what its keys are found by: what was learned before is forgotten. */
  readonly revision: number;
  readonly issuer: string;
  /** Uploaded keys: the issuer is never asked. */
  readonly jwks: { readonly keys: readonly JWK[] } | null;
  readonly jwksUri: string | null;
  /** PEM. */
  readonly caPem: string | null;
  readonly allowPrivateNetwork: boolean;
}

export type KeyResult =
  | { readonly ok: true; readonly key: IssuerKey }
  | { readonly ok: false; readonly refusal: Refusal };

/** What is known of an issuer's keys; `refusal` says why the last attempt to get them failed. */
export interface IssuerState {
  readonly keys: KeySet;
  readonly refusal?: Refusal;
}

export interface IssuerKeys {
  /**
   * The issuer's key of that `kid`, from memory or from the issuer.
   *
   * @param party for whom: each has its share of the fetches under way
   */
  find(source: IssuerSource, kid: string, party: string): Promise<KeyResult>;
  /** Sees to it that the keys are there, as `find` does, and tells what is known. */
  inspect(source: IssuerSource, party: string): Promise<IssuerState>;
  /** What is known, without asking for more; `undefined`: nothing was ever tried. */
  known(source: IssuerSource): IssuerState | undefined;
  /** Asks the issuer now, whatever is known; a failure leaves what is known as it is. */
  refresh(source: IssuerSource): Promise<IssuerState>;
  /** What is known of this revision holds for another one, which changed nothing of where the keys are. */
  carryOver(source: IssuerSource, revision: number): void;
}

/** What is known of an issuer: nothing but values, so that it may outlive the request that learned it. */
interface Entry {
  revision: number;
  keys: KeySet | undefined;
  /** Epoch seconds, as all times here. */
  freshUntil: number;
  staleUntil: number;
  unknownKidFrom: number;
  failures: number;
  retryFrom: number;
  refusal: Refusal | undefined;
}

/** By the issuer's id. */
export type IssuerMemory = Map<string, Entry>;

/**
 * Finds issuers' keys and keeps them: fresh for a while, stale through an outage, one fetch at a time for
 * an issuer, and failures remembered with a growing pause.
 *
 * @param memory what a platform where requests cannot share a fetch under way keeps between them instead
 */
export function createIssuerKeys(deps: IssuerKeysDeps, memory: IssuerMemory = new Map()): IssuerKeys {
  const underway = new Map<Entry, { readonly party: string; readonly done: Promise<void> }>();
  const seconds = () => deps.now() / 1000;

  return {
    async find(source, kid, party) {
      const entry = recall(source);
      const asked = seconds() >= entry.freshUntil && (await update(source, entry, party));
      const { keys } = entry;
      deps.metrics?.cacheLookup("issuer_keys", !asked && keys?.has(kid) === true);
      if (!keys || seconds() >= entry.staleUntil) return { ok: false, refusal: outage(source, entry, entry.retryFrom) };
      if (keys.has(kid)) return pick(keys, kid);

      if (!asked) await lookAgain(source, entry, party);
      // Whether the issuer has a new key of that `kid` cannot be told while it does not answer.
      if (entry.refusal) return { ok: false, refusal: outage(source, entry, nextLook(entry)) };
      return pick(entry.keys ?? keys, kid);
    },

    async inspect(source, party) {
      const entry = recall(source);
      if (seconds() >= entry.freshUntil) await update(source, entry, party);
      return stateOf(source, entry);
    },

    known(source) {
      const entry = memory.get(source.id);
      return entry && entry.revision >= source.revision && (entry.keys || entry.refusal)
        ? stateOf(source, entry)
        : undefined;
    },

    async refresh(source) {
      const entry = recall(source);
      if (!source.jwks) await ask(source, entry);
      return stateOf(source, entry);
    },

    carryOver({ id, revision: from }, revision) {
      const entry = memory.get(id);
      if (entry?.revision === from) entry.revision = revision;
    },
  };

  function recall(source: IssuerSource): Entry {
    const known = memory.get(source.id);
    const entry = known && known.revision >= source.revision ? known : newEntry(source);
    putRecent(memory, source.id, entry, limits.issuerKeys.issuers);
    return entry;
  }

  /** For an unknown `kid`, once in a while; who comes while the look is under way waits for it. */
  async function lookAgain(source: IssuerSource, entry: Entry, party: string): Promise<void> {
    if (!underway.has(entry)) {
      if (seconds() < nextLook(entry)) return;
      entry.unknownKidFrom = seconds() + limits.issuerKeys.unknownKidSeconds;
    }
    await update(source, entry, party);
  }

  /** Whether the issuer was asked, by this call or by one under way. */
  async function update(source: IssuerSource, entry: Entry, party: string): Promise<boolean> {
    let asking = underway.get(entry);
    if (!asking) {
      if (seconds() < entry.retryFrom || !hasRoom(entry, party)) return false;
      asking = { party, done: ask(source, entry).finally(() => underway.delete(entry)) };
      underway.set(entry, asking);
    }
    await asking.done;
    return true;
  }

  /** One party's slow issuers, or many issuers that never worked, take no place from the others. */
  function hasRoom(entry: Entry, party: string): boolean {
    const { atOnce, atOnceForParty, keptForProven } = limits.issuerFetch;
    const ofParty = [...underway.values()].filter((one) => one.party === party).length;
    return ofParty < atOnceForParty && underway.size < (entry.keys ? atOnce : atOnce - keptForProven);
  }

  async function ask(source: IssuerSource, entry: Entry): Promise<void> {
    const { fetch, publicUrl, allowInsecure, metrics } = deps;
    const startedAt = seconds();
    const policy = {
      allowHttp: allowInsecure,
      allowLocal: allowInsecure || source.allowPrivateNetwork,
      ...(source.caPem !== null && { ca: source.caPem }),
    };
    try {
      const { keys, maxAge } = await fetchKeys({ fetch, policy, publicUrl }, source.issuer, source.jwksUri);
      const { freshSeconds, minFreshSeconds, maxFreshSeconds, staleSeconds } = limits.issuerKeys;
      entry.keys = keys;
      entry.freshUntil = seconds() + Math.min(Math.max(maxAge ?? freshSeconds, minFreshSeconds), maxFreshSeconds);
      entry.staleUntil = entry.freshUntil + staleSeconds;
      entry.failures = 0;
      entry.retryFrom = 0;
      entry.refusal = undefined;
    } catch (error) {
      const { minBackoffSeconds, maxBackoffSeconds } = limits.issuerKeys;
      entry.refusal = describeFailure(source.issuer, error);
      entry.retryFrom = seconds() + Math.min(minBackoffSeconds * 2 ** entry.failures, maxBackoffSeconds);
      entry.failures += 1;
    }
    metrics?.keyFetch(entry.refusal?.code ?? "success", Math.max(0, seconds() - startedAt));
  }

  function outage({ issuer }: IssuerSource, entry: Entry, retryFrom: number): Refusal {
    const retryAfter = Math.max(1, Math.ceil(retryFrom - seconds()));
    const busy = { code: "issuer_unreachable", issuer, detail: "too many issuers are being asked at once" } as const;
    return { ...(entry.refusal ?? busy), retryAfter } as Refusal;
  }

  function stateOf(source: IssuerSource, entry: Entry): IssuerState {
    const { keys, refusal } = entry;
    if (!keys) return { keys: new Map(), refusal: outage(source, entry, entry.retryFrom) };
    return { keys, ...(refusal && { refusal }) };
  }
}

/** From when on an unknown `kid` is looked for. */
function nextLook({ unknownKidFrom, retryFrom }: Entry): number {
  return Math.max(unknownKidFrom, retryFrom);
}

/** Uploaded keys are good for ever, so that nothing is ever asked. */
function newEntry({ revision, jwks }: IssuerSource): Entry {
  const until = jwks ? Number.POSITIVE_INFINITY : 0;
  return {
    revision,
    keys: jwks ? readKeySet(jwks.keys) : undefined,
    freshUntil: until,
    staleUntil: until,
    unknownKidFrom: until,
    failures: 0,
    retryFrom: 0,
    refusal: undefined,
  };
}

function pick(keys: KeySet, kid: string): KeyResult {
  const key = keys.get(kid);
  if (key) return { ok: true, key };
  const refusal: Refusal = keys.has(kid)
    ? { code: "key_unusable", kid, detail: "the issuer's key set names it twice" }
    : { code: "key_unknown", kid };
  return { ok: false, refusal };
}
