import type { Metrics } from "../../platform.ts";

interface LookedUp {
  get(key: string): unknown;
}

/** Has every look-up in a cache counted, by the cache's name. */
export function observeCaches(caches: Readonly<Record<string, LookedUp>>, metrics: Metrics): void {
  for (const [name, cache] of Object.entries(caches)) {
    const get = cache.get.bind(cache);
    cache.get = (key) => {
      const value = get(key);
      metrics.cacheLookup(name, value !== undefined);
      return value;
    };
  }
}
