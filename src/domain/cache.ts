/** Values by key: as many as weigh so much together. The one used longest ago goes first. */
export interface Cache<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  remove(key: string): void;
  /** Forgets those of one group. */
  forgetGroup(group: string): void;
  /** Forgets those of which it holds: looks at all. */
  forget(holds: (value: V) => boolean): void;
  clear(): void;
}

export interface CacheOptions<V> {
  readonly weigh?: (value: V) => number;
  /** What values are forgotten together by. */
  readonly groupOf?: (value: V) => string;
}

interface Entry<V> {
  readonly value: V;
  readonly weight: number;
  readonly group: string | undefined;
}

export function createCache<V>(maxWeight: number, { weigh = () => 1, groupOf }: CacheOptions<V> = {}): Cache<V> {
  const entries = new Map<string, Entry<V>>();
  const groups = new Map<string, Set<string>>();
  let weight = 0;

  return {
    get(key) {
      const entry = entries.get(key);
      // While there is room for as much again, it does not matter who goes first.
      if (entry === undefined || weight * 2 < maxWeight) return entry?.value;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value) {
      remove(key);
      const entry = { value, weight: weigh(value), group: groupOf?.(value) };
      entries.set(key, entry);
      weight += entry.weight;
      if (entry.group !== undefined) groups.set(entry.group, (groups.get(entry.group) ?? new Set()).add(key));
      for (const oldest of entries.keys()) {
        if (weight <= maxWeight) break;
        remove(oldest);
      }
    },
    remove,
    forgetGroup(group) {
      for (const key of [...(groups.get(group) ?? [])]) remove(key);
    },
    forget(holds) {
      for (const [key, { value }] of entries) if (holds(value)) remove(key);
    },
    clear() {
      entries.clear();
      groups.clear();
      weight = 0;
    },
  };

  function remove(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    weight -= entry.weight;
    if (entry.group === undefined) return;
    const keys = groups.get(entry.group);
    keys?.delete(key);
    if (keys?.size === 0) groups.delete(entry.group);
  }
}
