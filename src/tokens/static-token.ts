import { base64url } from "jose";
import { Secret } from "../domain/secret.ts";

export const staticTokenPrefix = "berth_robot_";
const SHAPE = /^berth_robot_([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/;
const RANDOM_BYTES = 32;

/**
 * Makes a static robot token: a prefix by which scanners know a leaked one, 256 bits of randomness, and a
 * checksum.
 */
export function generateStaticToken(): Secret {
  const random = base64url.encode(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
  return new Secret(`${staticTokenPrefix}${random}${checksum(random)}`);
}

/** Whether `text` could be a static robot token: a slip or junk is told apart without asking the database. */
export function isStaticToken(text: string): boolean {
  const [, random, sum] = SHAPE.exec(text) ?? [];
  return random !== undefined && checksum(random) === sum;
}

/** CRC-32 (ITU-T V.42), base64url. It guards against slips, not against anybody. */
function checksum(text: string): string {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, ~crc >>> 0);
  return base64url.encode(bytes);
}
