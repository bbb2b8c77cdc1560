import { base64url } from "jose";
import { Secret } from "../domain/secret.ts";

/** A prefix by which scanners know a leaked one. */
export const opaqueTokenPrefixes = { robot: "berth_robot_", api: "berth_api_" } as const;
type Kind = keyof typeof opaqueTokenPrefixes;

const SHAPE = /^([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/;
const RANDOM_BYTES = 32;

/** Makes a static robot token, or an API token: its kind's prefix, 256 bits of randomness, and a checksum. */
export function generateOpaqueToken(kind: Kind): Secret {
  const random = base64url.encode(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
  return new Secret(`${opaqueTokenPrefixes[kind]}${random}${checksum(random)}`);
}

/** Whether `text` could be a token of that kind: a slip or junk is told apart without asking the database. */
export function isOpaqueToken(kind: Kind, text: string): boolean {
  const prefix = opaqueTokenPrefixes[kind];
  const [, random, sum] = (text.startsWith(prefix) && SHAPE.exec(text.slice(prefix.length))) || [];
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
