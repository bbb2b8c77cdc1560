import { type Binding, type BindingTerms, sameTerms } from "./binding.ts";

/** One entry of a federation list as it was sent. */
export interface FederationEntry {
  readonly issuer: string;
  readonly subject: string;
  /** Names the stored binding that the entry replaces. */
  readonly id?: string;
  /** `undefined`: the entry has Quay's keys alone, and leaves what is stored for its pair as it is. */
  readonly terms?: BindingTerms;
  readonly description?: string | null;
}

export interface StoredBinding extends Binding {
  readonly description: string | null;
}

/** What a robot's list of bindings becomes, in order. */
export type PlannedBinding =
  | { readonly action: "keep"; readonly stored: StoredBinding }
  | {
      readonly action: "replace";
      readonly stored: StoredBinding;
      readonly entry: Required<FederationEntry>;
      /** Whether anything changes that decides: it makes a new version, which ends what was minted before. */
      readonly decides: boolean;
    }
  | { readonly action: "create"; readonly entry: FederationEntry };

export type FederationPlan =
  | { readonly ok: true; readonly bindings: readonly PlannedBinding[]; readonly removed: readonly StoredBinding[] }
  | { readonly ok: false; readonly conflict: "repeated" | "ambiguous" | "unknown_id"; readonly index: number };

/**
 * Replaces a robot's bindings by a list of entries. Clients that know issuer and subject alone repeat
 * their lists for ever; such an entry keeps every stored binding of its pair, conditions and all, so that
 * a repeat neither strips a condition nor ends a running job's token. Pairs that are not listed go.
 */
export function planFederation(stored: readonly StoredBinding[], entries: readonly FederationEntry[]): FederationPlan {
  const bindings: PlannedBinding[] = [];
  const taken = new Set<string>();
  const seen = new Set<string>();

  for (const [index, entry] of entries.entries()) {
    const repeated = JSON.stringify(entry);
    if (seen.has(repeated)) return { ok: false, conflict: "repeated", index };
    seen.add(repeated);

    const ofPair = stored.filter(({ issuer, subject }) => issuer === entry.issuer && subject === entry.subject);
    if (!entry.terms) {
      const kept = ofPair.filter(({ id }) => !taken.has(id));
      for (const one of kept) {
        taken.add(one.id);
        bindings.push({ action: "keep", stored: one });
      }
      if (ofPair.length === 0) bindings.push({ action: "create", entry });
      continue;
    }

    const found = findReplaced(stored, entry, entry.terms, taken);
    if ("conflict" in found) return { ok: false, conflict: found.conflict, index };
    if (found.replaced) taken.add(found.replaced.id);
    bindings.push(found.replaced ? planReplacement(found.replaced, entry, entry.terms) : { action: "create", entry });
  }
  return { ok: true, bindings, removed: stored.filter(({ id }) => !taken.has(id)) };
}

type Replaced = { readonly replaced?: StoredBinding } | { readonly conflict: "ambiguous" | "unknown_id" };

function findReplaced(
  stored: readonly StoredBinding[],
  entry: FederationEntry,
  terms: BindingTerms,
  taken: ReadonlySet<string>,
): Replaced {
  if (entry.id !== undefined) {
    const named = stored.find(({ id }) => id === entry.id);
    return named && !taken.has(named.id) ? { replaced: named } : { conflict: "unknown_id" };
  }
  const ofPair = stored.filter(({ issuer, subject }) => issuer === entry.issuer && subject === entry.subject);
  const free = ofPair.filter(({ id }) => !taken.has(id));
  const same = free.find((one) => sameTerms(one, terms));
  if (same) return { replaced: same };
  if (ofPair.length > 1 && free.length > 0) return { conflict: "ambiguous" };
  return free[0] ? { replaced: free[0] } : {};
}

function planReplacement(stored: StoredBinding, entry: FederationEntry, terms: BindingTerms): PlannedBinding {
  const description = entry.description ?? null;
  const decides = !sameTerms(stored, terms);
  if (!decides && stored.description === description) return { action: "keep", stored };
  return { action: "replace", stored, entry: { ...entry, id: stored.id, terms, description }, decides };
}
