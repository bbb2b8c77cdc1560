import { limits } from "../limits.ts";
import type { Registry } from "../store/registries.ts";
import type { SigningKeyRow } from "../store/signing-keys.ts";

const DAY = 24 * 3600 * 1000;

/** When the next key takes an active one's place by itself; `undefined`: never, or it is not the active one. */
export function turnsAt(registry: Registry | undefined, key: SigningKeyRow): Date | undefined {
  if (key.status !== "active") return undefined;
  const days = activeDays(registry, key);
  const byAge = days === 0 ? Number.POSITIVE_INFINITY : (key.activatedAt ?? key.createdAt).getTime() + days * DAY;
  const { authorityMarginSeconds, leafMarginSeconds } = limits.certificates;
  const margin = key.purpose === "registry_authority" ? authorityMarginSeconds : leafMarginSeconds;
  const byEnd = key.notAfter ? key.notAfter.getTime() - margin * 1000 : Number.POSITIVE_INFINITY;
  const at = Math.min(byAge, byEnd);
  return Number.isFinite(at) ? new Date(at) : undefined;
}

/** How many days a key is active; 0: until it is rotated by hand. */
export function activeDays(registry: Registry | undefined, { purpose, profile }: SigningKeyRow): number {
  const { rotationDays } = limits.keys;
  if (purpose !== "registry_token") return rotationDays[purpose];
  return registry?.rotationDays ?? rotationDays[profile ?? "x5c"];
}

/** What a registry has to be restarted for before long. */
export function turnWarnings(registry: Registry, keys: readonly SigningKeyRow[], now: Date): string[] {
  const soon = now.getTime() + limits.keys.warnDays * DAY;
  return keys.flatMap((key) => {
    const at = turnsAt(registry, key);
    const next = keys.find(({ purpose, status }) => purpose === key.purpose && status === "next");
    const comesAlong = key.profile === "x5c" && next?.profile === "x5c";
    if (!at || !next || comesAlong || at.getTime() > soon) return [];
    return [
      `The next ${key.purpose === "registry_authority" ? "authority" : "signing key"} takes over at ${at.toISOString()}. A registry that was started before ${next.createdAt.toISOString()} does not know it: give it the present certs.pem or jwks.json and restart it before then.`,
    ];
  });
}
