import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import type { ImportSigner } from "../../tokens/signing-key.ts";
import { atEndOfTurn } from "./turns.ts";

const INTEGER = 0x02;
/** Bytes of each half of a signature on P-256. */
const HALF = 32;

/**
 * Signs in Node's threads, which cost the thread that serves less than WebCrypto's promises do. Node's own way to
 * write a signature as JOSE does takes as long as the signature itself: two integers, which are read out of their
 * DER here (RFC 3279 §2.2.3).
 */
export const importSigner: ImportSigner = (pkcs8) => {
  const key = createPrivateKey({
    key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.byteLength),
    format: "der",
    type: "pkcs8",
  });
  return async (encodedHeader, payload) => {
    const signingInput = `${encodedHeader}.${Buffer.from(payload).toString("base64url")}`;
    const signature = await signInThread(Buffer.from(signingInput, "latin1"), key);
    return `${signingInput}.${joseSignature(signature).toString("base64url")}`;
  };
};

function signInThread(data: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign("sha256", data, key, (error, signature) => {
      atEndOfTurn(() => (error ? reject(error) : resolve(signature)));
    });
  });
}

/** RFC 7518 §3.4: both integers with all their leading zeros. */
function joseSignature(der: Buffer): Buffer {
  const signature = Buffer.alloc(2 * HALF);
  let at = 2;
  for (const end of [HALF, 2 * HALF]) {
    const length = der[at + 1] as number;
    if (der[at] !== INTEGER) throw new Error("the platform made a signature of another shape");
    const value = der.subarray(at + 2, at + 2 + length);
    // An integer that would look negative begins with a zero.
    const digits = length > HALF ? value.subarray(length - HALF) : value;
    digits.copy(signature, end - digits.length);
    at += 2 + length;
  }
  return signature;
}
