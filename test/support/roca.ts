import { checkPrimeSync, createPrivateKey, type KeyObject, randomBytes } from "node:crypto";

const EXPONENT = 65537n;
/** The library that had the fault made 1024-bit primes from the product of the first 126 primes. */
const PRIMES = 126;

/**
 * A 2048-bit RSA key with the weakness of CVE-2017-15361: its primes are k·M + (65537^a mod M), so that
 * whoever has the public key can find them.
 */
export function makeRocaKey(): KeyObject {
  const p = findPrime();
  const q = findPrime();
  const d = inverse(EXPONENT, (p - 1n) * (q - 1n));
  const numbers = { n: p * q, e: EXPONENT, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const members = Object.entries(numbers).map(([name, value]) => [name, encode(value)]);
  return createPrivateKey({ key: { kty: "RSA", ...Object.fromEntries(members) }, format: "jwk" });
}

function findPrime(): bigint {
  const product = firstPrimes(PRIMES).reduce((all, prime) => all * prime, 1n);
  const low = 3n << 1022n;
  for (;;) {
    const k = low / product + 1n + random(6);
    const candidate = k * product + power(EXPONENT, random(32), product);
    if (checkPrimeSync(candidate)) return candidate;
  }
}

function firstPrimes(count: number): bigint[] {
  const primes: bigint[] = [];
  for (let candidate = 2n; primes.length < count; candidate += 1n) {
    if (primes.every((prime) => candidate % prime !== 0n)) primes.push(candidate);
  }
  return primes;
}

function random(bytes: number): bigint {
  return BigInt(`0x${randomBytes(bytes).toString("hex")}`);
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let square = base % modulus, rest = exponent; rest > 0n; square = (square * square) % modulus, rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
  }
  return result;
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [old, rest] = [value, modulus];
  let [oldFactor, factor] = [1n, 0n];
  while (rest !== 0n) {
    const quotient = old / rest;
    [old, rest] = [rest, old - quotient * rest];
    [oldFactor, factor] = [factor, oldFactor - quotient * factor];
  }
  return ((oldFactor % modulus) + modulus) % modulus;
}

function encode(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").toString("base64url");
}
