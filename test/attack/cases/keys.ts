import type { Case } from "../malformed-token.ts";

const unreadableKids = [
  1,
  0,
  true,
  null,
  ["good"],
  { kid: "good" },
  "k".repeat(257),
  "good\u0000",
  "good\n",
  "\u009b",
  "\ud800",
];

const unknownKids = [
  "GOOD",
  "good ",
  " good",
  "go",
  "goodgood",
  "gооd",
  "0",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "../../../../dev/null",
  "file:///dev/null",
  "good' OR '1'='1",
  "%67ood",
  "$(id)",
  "*",
  "k".repeat(256),
];

const unusable: Record<string, string | undefined> = {
  "use-enc": "its use is not sig",
  "use-upper-case": "its use is not sig",
  "use-number": "its use is not sig",
  "ops-sign": "its key_ops do not hold verify",
  "ops-encrypt": "its key_ops do not hold verify",
  "ops-empty": "its key_ops do not hold verify",
  "ops-text": "its key_ops do not hold verify",
  "alg-other-hash": "its alg is not RS256",
  "alg-other-padding": "its alg is not RS256",
  "alg-encryption": "its alg is not RS256",
  "alg-hmac": "its alg is not RS256",
  "alg-null": "its alg is not RS256",
  "alg-lower-case": "its alg is not RS256",
  "kty-ec": undefined,
  "kty-lower-case": undefined,
  "kty-missing": undefined,
  "rsa-e0": "its exponent is even or less than 3",
  "rsa-e1": "its exponent is even or less than 3",
  "rsa-e2": "its exponent is even or less than 3",
  "rsa-e-even": "its exponent is even or less than 3",
  "rsa-e-missing": undefined,
  "rsa-e-number": undefined,
  "rsa-e-padded": undefined,
  "rsa-n-missing": undefined,
  "rsa-n-empty": undefined,
  "rsa-n-number": undefined,
  "rsa-1024": "it has 1024 bits",
  "rsa-8193": "it has 8193 bits",
  "rsa-roca": "it has the ROCA weakness (CVE-2017-15361)",
  "rsa-private": "its private half is published too",
  twice: "the issuer's key set names it twice",
  "good-ec": "it is no key for RS256",
  "ec-p384": "it is no key for RS256",
  ed25519: "it is no key for RS256",
};

/** A token whose signature has other bytes, spelled as they should be. */
const resigned = (change: (signature: Buffer) => Buffer) => (token: string) => {
  const at = token.lastIndexOf(".") + 1;
  return token.slice(0, at) + change(Buffer.from(token.slice(at), "base64url")).toString("base64url");
};

/** A signed token with another payload put in. */
const swapped = (token: string) => {
  const [header, payload = "", signature] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  const other = JSON.stringify({ ...claims, project: "other" });
  return `${header}.${Buffer.from(other).toString("base64url")}.${signature}`;
};

/** Rule 5: the issuer's own key, of the right kind, and fit for signing. */
export const keys: readonly Case[] = [
  ["no kid", { header: { kid: undefined } }, "kid_missing"],
  ["an empty kid", { header: { kid: "" } }, "kid_missing"],
  ...unreadableKids.map(
    (kid): Case => [`kid ${JSON.stringify(kid)}`, { header: { kid } }, "header_not_allowed", { parameter: "kid" }],
  ),
  ...unknownKids.map((kid): Case => [`an unknown kid ${kid}`, { header: { kid } }, "key_unknown", { kid }]),
  ["the kid of a shared secret", { header: { kid: "oct" }, signedBy: "good" }, "key_unknown", { kid: "oct" }],
  ...Object.entries(unusable).map(
    ([kid, detail]): Case => [
      `a key that is ${kid}`,
      { header: { kid } },
      "key_unusable",
      { kid, ...(detail !== undefined && { detail }) },
    ],
  ),
  ...["good", "ec-p384", "ec-secp256k1", "ec-off-curve", "ec-private"].map(
    (kid): Case => [`ES256 by a key that is ${kid}`, { header: { alg: "ES256", kid } }, "key_unusable", { kid }],
  ),
  ["a stranger's signature", { signedBy: "stranger" }, "signature_invalid"],
  ["a signature by another key of the issuer", { signedBy: "rsa-1024" }, "signature_invalid"],
  ["a signature by a key of another kind", { signedBy: "good-ec" }, "signature_invalid"],
  ["a MAC with the public key", { signedBy: "public key as secret" }, "signature_invalid"],
  ["a signature that says nothing", { signedBy: "nothing" }, "signature_invalid"],
  [
    "ES256 and a signature of zeros",
    { header: { alg: "ES256", kid: "good-ec" }, signedBy: "zeros" },
    "signature_invalid",
  ],
  [
    "a signature with one bit turned",
    { compact: resigned((signature) => signature.map((byte, at) => (at === 9 ? byte ^ 1 : byte)) as Buffer) },
    "signature_invalid",
  ],
  ["a signature cut short", { compact: resigned((signature) => signature.subarray(1)) }, "signature_invalid"],
  [
    "a signature with more behind it",
    { compact: resigned((signature) => Buffer.concat([signature, Buffer.alloc(1)])) },
    "signature_invalid",
  ],
  [
    "a signature with zeros in front",
    { compact: resigned((signature) => Buffer.concat([Buffer.alloc(1), signature])) },
    "signature_invalid",
  ],
  ["the signature of another payload", { compact: swapped }, "signature_invalid"],
];
