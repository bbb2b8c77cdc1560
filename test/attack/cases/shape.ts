import type { Case } from "../malformed-token.ts";

/** Cuts a token into its parts, changes one, and puts it together again. */
const part = (index: number, change: (part: string) => string) => (text: string) =>
  text
    .split(".")
    .map((one, at) => (at === index ? change(one) : one))
    .join(".");

/** The last character with its unused low bits set: the same bytes, written otherwise. */
const strayBits = (encoded: string) => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return encoded.slice(0, -1) + alphabet[alphabet.indexOf(encoded.at(-1) ?? "") + 1];
};

/** JSON with so much white space behind it that base64url leaves low bits unused. */
const unusedBits = (json: string) => json + " ".repeat((4 - (Buffer.byteLength(json) % 3)) % 3);

const parts = ["header", "payload", "signature"].map((name, index) => [name, index] as const);

const told = (name: string) => `its ${name} is not canonical base64url`;

const respelled: Case[] = parts.flatMap(([name, index]) => {
  const spell = (change: (part: string) => string) =>
    index === 2 ? { compact: part(index, change) } : { signingInput: part(index, change) };
  const spellings: [string, (encoded: string) => string][] = [
    ["padding", (encoded) => `${encoded}=`],
    ["two characters of padding", (encoded) => `${encoded}==`],
    ["a space before it", (encoded) => ` ${encoded}`],
    ["a space after it", (encoded) => `${encoded} `],
    ["a line feed in it", (encoded) => `${encoded.slice(0, 8)}\n${encoded.slice(8)}`],
    ["a tab in it", (encoded) => `${encoded.slice(0, 8)}\t${encoded.slice(8)}`],
    ["a plus sign of other base64", (encoded) => `${encoded.slice(0, 4)}+${encoded.slice(5)}`],
    ["a slash of other base64", (encoded) => `${encoded.slice(0, 4)}/${encoded.slice(5)}`],
    ["a percent escape", (encoded) => `${encoded.slice(0, 4)}%41${encoded.slice(5)}`],
    ["a letter of another script", (encoded) => `${encoded.slice(0, 4)}А${encoded.slice(5)}`],
    ["a NUL in it", (encoded) => `${encoded.slice(0, 4)}\u0000${encoded.slice(4)}`],
    ["a length that no bytes have", (encoded) => encoded + "A".repeat((5 - (encoded.length % 4)) % 4)],
  ];
  return spellings.map(
    ([title, change]): Case => [`a ${name} with ${title}`, spell(change), "token_malformed", { detail: told(name) }],
  );
});

/** Rule 1: one token has one spelling. */
export const shape: readonly Case[] = [
  ...respelled,
  [
    "a header with stray low bits",
    { headerText: unusedBits, signingInput: part(0, strayBits) },
    "token_malformed",
    { detail: told("header") },
  ],
  [
    "a payload with stray low bits",
    { payloadText: unusedBits, signingInput: part(1, strayBits) },
    "token_malformed",
    { detail: told("payload") },
  ],
  [
    "a signature with stray low bits",
    { compact: part(2, strayBits) },
    "token_malformed",
    { detail: told("signature") },
  ],
  ["no signature", { compact: (token) => token.slice(0, token.lastIndexOf(".")) }, "token_malformed"],
  ["an empty signature", { compact: part(2, () => "") }, "token_malformed"],
  ["an empty payload", { compact: part(1, () => "") }, "token_malformed"],
  ["an empty header", { compact: part(0, () => "") }, "token_malformed"],
  ["a fourth part", { compact: (token) => `${token}.AAAA` }, "token_malformed"],
  ["an empty fourth part", { compact: (token) => `${token}.` }, "token_malformed"],
  ["a dot in front", { compact: (token) => `.${token}` }, "token_malformed"],
  ["five parts, as encrypted ones have", { compact: (token) => `${token}.AAAA.AAAA` }, "token_malformed"],
  ["nothing but dots", { compact: () => ".." }, "token_malformed"],
  ["another token behind it", { compact: (token) => `${token}.${token}` }, "token_malformed"],
  ["a scheme in front", { compact: (token) => `Bearer ${token}` }, "token_malformed"],
  ["quotes around it", { compact: (token) => `"${token}"` }, "token_malformed"],
  ["a byte order mark in front", { compact: (token) => `\ufeff${token}` }, "token_malformed"],
  ["a line feed behind it", { compact: (token) => `${token}\n` }, "token_malformed"],
  ["commas for dots", { compact: (token) => token.replaceAll(".", ",") }, "token_malformed"],
  ["dots that only look like dots", { compact: (token) => token.replaceAll(".", "․") }, "token_malformed"],
  [
    "the flattened JSON serialization",
    {
      compact: (token) => {
        const [header, payload, signature] = token.split(".");
        return JSON.stringify({ protected: header, payload, signature });
      },
    },
    "token_malformed",
  ],
  [
    "the general JSON serialization",
    {
      compact: (token) => {
        const [header, payload, signature] = token.split(".");
        return JSON.stringify({ payload, signatures: [{ protected: header, signature }] });
      },
    },
    "token_malformed",
  ],
  ["over 16 KiB, by a claim", { claims: { x: "x".repeat(12_400) } }, "token_too_large", { part: "token" }],
  [
    "over 16 KiB, by white space in the payload",
    { payloadText: (json) => json + " ".repeat(12_400) },
    "token_too_large",
    { part: "token" },
  ],
  [
    "over 16 KiB, by its signature",
    { compact: (token) => token + "A".repeat(16_384) },
    "token_too_large",
    { part: "token" },
  ],
  [
    "16 KiB and one byte",
    { compact: (token) => token.padEnd(16_385, "A") },
    "token_too_large",
    { part: "token", bytes: 16_385, limit: 16_384 },
  ],
  ["a header over 2 KiB", { header: { x: "x".repeat(2048) } }, "token_too_large", { part: "header" }],
  [
    "a header of 2 KiB and one byte",
    { headerText: (json) => json.padEnd(2049) },
    "token_too_large",
    { part: "header", bytes: 2049, limit: 2048 },
  ],
  ["a header over 2 KiB, by a chain of certificates", { header: { x5c: ["A".repeat(3000)] } }, "token_too_large"],
];
