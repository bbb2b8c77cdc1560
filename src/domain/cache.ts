/** Values by key: as many as weigh so much together. The one used longest ago goes first. */
export interface Cache<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  remove(key: string): void;
  /** Forgets those of which it holds. */
  forget(holds: (value: V) => boolean): void;
  clear(): void;
}

export function createCache<V>(maxWeight: number, weigh: (value: V) => number = () => 1): Cache<V> {
  const values = new Map<string, V>();
  let weight = 0;

  return {
    get(key) {
      const value = values.get(key);
      // While there is room for as much again, it does not matter who goes first.
      if (value === undefined || weight * 2 < maxWeight) return value;
      values.delete(key);
      values.set(key, value);
      return value;
    },
    set(key, value) {
      remove(key);
      values.set(key, value);
      weight += weigh(value);
      for (const oldest of values.keys()) {
        if (weight <= maxWeight) break;
        remove(oldest);
      }
    },
    remove,
    forget(holds) {
      for (const [key, value] of values) if (holds(value)) remove(key);
    },
    clear() {
      values.clear();
      weight = 0;
    },
  };

  function remove(key: string): void {
    const value = values.get(key);
    if (value === undefined) return;
    values.delete(key);
    weight -= weigh(value);
  }
}
