import { randomBytes } from "node:crypto";
import { Secret } from "../../src/domain/secret.ts";
import { certificateBodies, issueAuthority, issueLeaf } from "../../src/tokens/certificates.ts";
import { createSealer } from "../../src/tokens/sealing.ts";
import { generateKey, type KeyPurpose, openKey, type SigningKey } from "../../src/tokens/signing-key.ts";

export function makeSealingKey(): Secret<Uint8Array<ArrayBuffer>> {
  return new Secret(new Uint8Array(randomBytes(32)));
}

/** A signing key as the service makes and opens it. */
export async function makeSigningKey(purpose: KeyPurpose = "robot_token"): Promise<SigningKey> {
  const sealer = await createSealer([makeSealingKey()]);
  const registryId = purpose === "robot_token" ? null : "registry";
  return openKey(await generateKey({ id: "id", purpose, registryId, profile: null }, sealer), sealer);
}

/** A registry's keys: the authority that it is given, and the leaf that signs its tokens. */
export async function makeRegistryKeys(service: string, now: number) {
  const authorityKey = await makeSigningKey("registry_authority");
  const leafKey = await makeSigningKey("registry_token");
  const authority = await issueAuthority(authorityKey, service, now);
  const leaf = await issueLeaf(leafKey, service, { key: authorityKey, pem: authority.pem }, now, 90 * 24 * 3600);
  return { authority, leaf, signing: { ...leafKey, hint: { x5c: certificateBodies(leaf.pem) } } };
}
