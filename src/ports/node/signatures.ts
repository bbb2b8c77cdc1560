import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { Signatures } from "../../tokens/signing-key.ts";
import { atEndOfTurn } from "./turns.ts";

const SEQUENCE = 0x30;
const INTEGER = 0x02;
/** Bytes of each half of a signature on P-256. */
const HALF = 32;

/**
 * Signs in Node's threads, and verifies without: a verification is 70 µs of work, and to hand it over would take the
 * thread that serves as long. Node's own way to read and write signatures as JOSE does adds a half to all of it: two
 * integers, which are in a DER here (RFC 3279 §2.2.3).
 */
export const nodeSignatures: Signatures = {
  importSigner(pkcs8) {
    const key = createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.byteLength),
      format: "der",
      type: "pkcs8",
    });
    return async (encodedHeader, payload) => {
      const signingInput = `${encodedHeader}.${Buffer.from(payload).toString("base64url")}`;
      const signature = await signInThread(Buffer.from(signingInput, "latin1"), key);
      return `${signingInput}.${toJose(signature).toString("base64url")}`;
    };
  },
  async importVerifier(jwk) {
    const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
    return (signingInput, signature) =>
      signature.length === 2 * HALF && verify("sha256", Buffer.from(signingInput, "latin1"), key, fromJose(signature));
  },
};

function signInThread(data: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign("sha256", data, key, (error, signature) => {
      atEndOfTurn(() => (error ? reject(error) : resolve(signature)));
    });
  });
}

/** RFC 7518 §3.4: both integers with all their leading zeros. */
function toJose(der: Buffer): Buffer {
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

function fromJose(signature: Uint8Array): Buffer {
  const integers = [signature.subarray(0, HALF), signature.subarray(HALF)].map(toInteger);
  const length = integers.reduce((sum, integer) => sum + integer.length, 0);
  return Buffer.concat([Buffer.of(SEQUENCE, length), ...integers]);
}

function toInteger(half: Uint8Array): Buffer {
  const first = half.findIndex((byte) => byte !== 0);
  const digits = half.subarray(first === -1 ? HALF - 1 : first);
  const wouldLookNegative = (digits[0] as number) >= 0x80;
  return Buffer.concat([
    wouldLookNegative ? Buffer.of(INTEGER, digits.length + 1, 0) : Buffer.of(INTEGER, digits.length),
    digits,
  ]);
}
