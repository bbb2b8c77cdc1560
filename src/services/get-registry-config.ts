import type { Deps } from "../deps.ts";
import { type Actor, requireSuperReader } from "./actor.ts";
import { requireRegistry } from "./manage-registries.ts";
import { ManagementError } from "./management-error.ts";
import { type RegistryConfigFormat, registryConfig } from "./registry-config/registry-config.ts";

/** Where registries send their clients for a token. */
export function registryRealm({ publicUrl }: Deps["config"]): string {
  return `${publicUrl}/v2/auth`;
}

/** The configuration that makes a registry trust its tokens, in one of several forms. */
export async function getRegistryConfig(
  { config, db, keys }: Pick<Deps, "config" | "db" | "keys">,
  actor: Actor,
  service: string,
  format: RegistryConfigFormat,
): Promise<ReturnType<typeof registryConfig>> {
  requireSuperReader(actor);
  const registry = await requireRegistry(db, service);
  const { hint, certificates } = await keys.registry(registry.id);
  const signsByName = "kid" in hint;
  if (format === "zot" && !signsByName) {
    throw new ManagementError(
      "conflict",
      'zot knows one key and no certificate chain: set the registry\'s key_profile to "kid", and rotate.',
    );
  }
  const trust = `${config.publicUrl}/registries/${encodeURIComponent(service)}`;
  return registryConfig(format, {
    service,
    host: registry.host ?? service,
    realm: registryRealm(config),
    issuer: registry.issuer ?? config.publicUrl,
    // A registry that will have to find the next key by its name is told how before that key signs.
    keyProfile: signsByName ? "kid" : registry.keyProfile,
    certificates: certificates.join(""),
    certificatesUrl: `${trust}/certs.pem`,
    jwksUrl: `${trust}/jwks.json`,
  });
}
