import { createPrivateKey, sign } from "node:crypto";
import type { ImportSigner } from "../../tokens/signing-key.ts";

const INTEGER = 0x02;
/** Bytes of each half of a signature on P-256. */
const HALF = 32;

/**
 * Signs in the thread that serves. Of a request's 100 microseconds WebCrypto's threads take more than the
 * signature itself, and so does Node's own way to write it as JOSE does: two integers, which are read out of
 * their DER here (RFC 3279 §2.2.3).
 */
export const importSigner: ImportSigner = (pkcs8) => {
  const key = createPrivateKey({
    key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.byteLength),
    format: "der",
    type: "pkcs8",
  });
  return (encodedHeader, payload) => {
    const signingInput = `${encodedHeader}.${Buffer.from(payload).toString("base64url")}`;
    return new Promise<string>((resolve, reject) => {
      sign("sha256", Buffer.from(signingInput, "latin1"), key, (error, signature) => {
        if (error) reject(error);
        else resolve(`${signingInput}.${joseSignature(signature).toString("base64url")}`);
      });
    });
  };
};

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
