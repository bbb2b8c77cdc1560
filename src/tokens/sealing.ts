import { base64url } from "jose";
import type { Secret } from "../domain/secret.ts";

/** Encrypts secrets at rest. The context (what the secret is, and whose) is bound in, so that no sealed value can stand in for another. */
export interface Sealer {
  seal(plaintext: Uint8Array<ArrayBuffer>, context: string): Promise<string>;
  /** @throws {SealError} when no key opens it in that context */
  open(sealed: string, context: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Whether it was sealed with the key that seals now. */
  isCurrent(sealed: string): boolean;
}

export class SealError extends Error {
  override readonly name = "SealError";
}

const VERSION = "v1";
const IV_BYTES = 12;

/**
 * AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D §8.2.2): far below the 2³² values that one
 * key may seal so. The first key seals; all of them open.
 *
 * @param keys of 32 bytes each
 */
export async function createSealer(keys: readonly Secret<Uint8Array<ArrayBuffer>>[]): Promise<Sealer> {
  const imported = new Map<string, CryptoKey>();
  for (const key of keys) {
    const aes = await crypto.subtle.importKey("raw", key.reveal(), "AES-GCM", false, ["encrypt", "decrypt"]);
    imported.set(await keyId(key.reveal()), aes);
  }
  const [first] = imported;
  if (!first) throw new SealError("no sealing key is given");
  const [sealingId, sealingKey] = first;

  return {
    async seal(plaintext, context) {
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
      const sealed = await crypto.subtle.encrypt(parameters(iv, context), sealingKey, plaintext);
      return [VERSION, sealingId, base64url.encode(iv), base64url.encode(new Uint8Array(sealed))].join(".");
    },
    async open(sealed, context) {
      const [version, id, iv, ciphertext] = sealed.split(".");
      const key = id === undefined ? undefined : imported.get(id);
      if (version !== VERSION || !key || !iv || !ciphertext) {
        throw new SealError(
          `what is stored was sealed with the key ${id}, which is not among those given: ${[...imported.keys()].join(", ")}`,
        );
      }
      try {
        const opened = crypto.subtle.decrypt(
          parameters(bytes(base64url.decode(iv)), context),
          key,
          bytes(base64url.decode(ciphertext)),
        );
        return new Uint8Array(await opened);
      } catch (error) {
        throw new SealError("what is stored was sealed for something else, or changed since", { cause: error });
      }
    },
    isCurrent(sealed) {
      return sealed.startsWith(`${VERSION}.${sealingId}.`);
    },
  };
}

function parameters(iv: Uint8Array<ArrayBuffer>, context: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(context) };
}

async function keyId(key: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", key));
  return base64url.encode(digest.subarray(0, 6));
}

function bytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(value);
}
