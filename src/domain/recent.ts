/** Puts a value at the end of a map that holds so many: the one that was put longest ago goes. */
export function putRecent<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= max) return;
  const [oldest] = map.keys();
  map.delete(oldest as K);
}
