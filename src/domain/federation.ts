import { type Binding, type BindingTerms, canonicalTerms, sameTerms } from "./binding.ts";

/** One entry of a federation list as it was sent. */
export interface FederationEntry {
  readonly issuer: string;
  readonly subject: string;
  /** Names the stored binding that the entry replaces. */
  readonly id?: string;
  /** Which of the issuers that share the string; needed where several do. */
  readonly issuerId?: string;
  /** `undefined`: the entry has Quay's keys alone, and leaves what is stored for its pair as it is. */
  readonly terms?: BindingTerms;
  readonly description?: string | null;
}

export interface StoredBinding extends Binding {
  readonly issuerId: string;
  readonly description: string | null;
}

/** What a robot's list of bindings becomes, in order. */
export type PlannedBinding =
  | { readonly action: "keep"; readonly stored: StoredBinding }
  | {
      readonly action: "replace";
      readonly stored: StoredBinding;
      readonly entry: FederationEntry & Required<Pick<FederationEntry, "terms" | "description">>;
      /** Whether anything changes that decides: it makes a new version, which ends what was minted before. */
      readonly decides: boolean;
    }
  | { readonly action: "create"; readonly id?: string; readonly entry: FederationEntry };

export type FederationConflict =
  /** Two entries say the same. */
  | "repeated"
  /** An entry leaves what is stored for its pair as it is, and another changes it. */
  | "contradictory"
  /** Several stored bindings have the entry's pair, and it does not say which it replaces. */
  | "ambiguous"
  /** An entry names a binding that the robot does not have, or that another entry names too. */
  | "unknown_id";

export type FederationPlan =
  | { readonly ok: true; readonly bindings: readonly PlannedBinding[]; readonly removed: readonly StoredBinding[] }
  | { readonly ok: false; readonly conflict: FederationConflict; readonly index: number };

/**
 * Replaces a robot's bindings by a list of entries. Clients that know issuer and subject alone repeat
 * their lists for ever; such an entry keeps every stored binding of its pair, conditions and all, so that
 * a repeat neither strips a condition nor ends a running job's token. Pairs that are not listed go.
 */
export function planFederation(stored: readonly StoredBinding[], entries: readonly FederationEntry[]): FederationPlan {
  const clash = findClash(entries);
  if (clash) return { ok: false, ...clash };

  const replaced = new Map<FederationEntry, StoredBinding>();
  const taken = new Set<StoredBinding>();
  // Entries that name a binding come first, so that none that goes by its pair takes theirs.
  for (const entry of [...entries.filter(namesBinding), ...entries.filter((one) => !namesBinding(one))]) {
    if (!entry.terms) continue;
    const found = findReplaced(stored, entry, entry.terms, taken);
    if ("conflict" in found) return { ok: false, conflict: found.conflict, index: entries.indexOf(entry) };
    if (!found.replaced) continue;
    taken.add(found.replaced);
    replaced.set(entry, found.replaced);
  }

  const bindings = entries.flatMap((entry): PlannedBinding[] => {
    const before = replaced.get(entry);
    if (before && entry.terms) return [planReplacement(before, entry, entry.terms)];
    const kept = entry.terms ? [] : stored.filter((one) => isOfPair(one, entry) && !taken.has(one));
    return kept.length > 0 ? kept.map((one) => ({ action: "keep", stored: one })) : [{ action: "create", entry }];
  });
  const staying = new Set(bindings.map((planned) => (planned.action === "create" ? undefined : planned.stored)));
  return { ok: true, bindings, removed: stored.filter((one) => !staying.has(one)) };
}

/** An entry that says all that is to be known of a binding. */
export type WholeEntry = FederationEntry & Required<Pick<FederationEntry, "terms">>;

/**
 * Replaces a robot's bindings by exactly those that are told. One that is so already stays, version and all;
 * else one of the same pair becomes what is told.
 */
export function planExactly(stored: readonly StoredBinding[], entries: readonly WholeEntry[]): FederationPlan {
  const clash = findClash(entries);
  if (clash) return { ok: false, ...clash };
  const left = new Set(stored);
  const take = (isWanted: (one: StoredBinding) => boolean) => {
    const found = stored.find((one) => left.has(one) && isWanted(one));
    if (found) left.delete(found);
    return found;
  };
  const same = entries.map((entry) => take((one) => isOfPair(one, entry) && sameTerms(one, entry.terms)));
  const bindings = entries.map((entry, index): PlannedBinding => {
    const before = same[index] ?? take((one) => isOfPair(one, entry));
    return before ? planReplacement(before, entry, entry.terms) : { action: "create", entry };
  });
  return { ok: true, bindings, removed: [...left] };
}

function findClash(entries: readonly FederationEntry[]): { conflict: FederationConflict; index: number } | undefined {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const { issuer, issuerId, subject, id, terms, description } = entry;
    const text = JSON.stringify([issuer, issuerId, subject, id, terms && canonicalTerms(terms), description]);
    if (seen.has(text)) return { conflict: "repeated", index };
    seen.add(text);
    const changed = entries.some(
      (other) => other.terms !== undefined && other.id === undefined && isOfPair(other, entry),
    );
    if (!terms && changed) return { conflict: "contradictory", index };
  }
  return undefined;
}

function namesBinding({ id }: FederationEntry): boolean {
  return id !== undefined;
}

interface Pair {
  readonly issuer: string;
  readonly issuerId?: string;
  readonly subject: string;
}

/** An entry that names no issuer by its id means any that has the string. */
function isOfPair(one: Pair, other: Pair): boolean {
  const sameIssuer = one.issuerId === undefined || other.issuerId === undefined || one.issuerId === other.issuerId;
  return sameIssuer && one.issuer === other.issuer && one.subject === other.subject;
}

type Replaced = { readonly replaced?: StoredBinding } | { readonly conflict: "ambiguous" | "unknown_id" };

function findReplaced(
  stored: readonly StoredBinding[],
  entry: FederationEntry,
  terms: BindingTerms,
  taken: ReadonlySet<StoredBinding>,
): Replaced {
  if (namesBinding(entry)) {
    const named = stored.find(({ id }) => id === entry.id);
    return named && !taken.has(named) ? { replaced: named } : { conflict: "unknown_id" };
  }
  const ofPair = stored.filter((one) => isOfPair(one, entry));
  const free = ofPair.filter((one) => !taken.has(one));
  const same = free.find((one) => sameTerms(one, terms));
  if (same) return { replaced: same };
  if (ofPair.length > 1 && free.length > 0) return { conflict: "ambiguous" };
  return free[0] ? { replaced: free[0] } : {};
}

function planReplacement(stored: StoredBinding, entry: FederationEntry, terms: BindingTerms): PlannedBinding {
  const description = entry.description ?? null;
  const decides = !sameTerms(stored, terms) || (entry.issuerId ?? stored.issuerId) !== stored.issuerId;
  if (!decides && stored.description === description) return { action: "keep", stored };
  return { action: "replace", stored, entry: { ...entry, terms, description }, decides };
}
