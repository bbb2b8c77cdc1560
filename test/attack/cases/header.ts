import type { Case } from "../malformed-token.ts";

const show = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value));

const algorithm = (title: string, header: object, signedBy = "good"): Case => [
  title,
  { header: { ...header }, signedBy },
  "alg_not_allowed",
  { by: "format" },
];

const unknownAlgorithms = [
  "none",
  "None",
  "nOnE",
  "",
  " RS256",
  "RS256 ",
  "RS256\u0000",
  "rs256",
  "Rs256",
  "RS-256",
  "RS1",
  "SHA256withRSA",
  "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
  "ES256K",
  "A128KW",
  "dir",
  "RSA-OAEP",
  "__proto__",
  undefined,
  null,
  256,
  true,
  ["RS256"],
  { name: "RS256" },
];

const ofOtherIssuers = ["RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "EdDSA", "Ed25519"];

/** Rule 3: an issuer signs with what it is known to sign with. */
export const algorithms: readonly Case[] = [
  ...unknownAlgorithms.map((alg) => algorithm(`alg ${show(alg)}`, { alg })),
  ...["HS256", "HS384", "HS512"].flatMap((alg) => [
    algorithm(`${alg} with the public key for a secret`, { alg }, "public key as secret"),
    algorithm(`${alg} with a published secret`, { alg, kid: "oct" }, "oct"),
  ]),
  algorithm("none, and a signature that says nothing", { alg: "none" }, "nothing"),
  ...ofOtherIssuers.map(
    (alg): Case => [
      `${alg}, which this issuer does not use`,
      { header: { alg } },
      "alg_not_allowed",
      { by: "issuer", alg, allowed: ["RS256", "ES256"] },
    ],
  ),
];

const forbidden: [string, unknown][] = [
  ["crit", ["b64"]],
  ["crit", ["exp"]],
  ["crit", ["x"]],
  ["crit", []],
  ["crit", null],
  ["crit", "b64"],
  ["b64", true],
  ["b64", false],
  ["b64", null],
  ["zip", "DEF"],
  ["zip", null],
  ["enc", "A256GCM"],
  ["enc", null],
];

const otherTypes = [
  "JOSE",
  "JWS",
  "JWE",
  "jwt ",
  "application/jwt",
  "application/at+jwt",
  "id+jwt",
  "logout+jwt",
  "secevent+jwt",
  "dpop+jwt",
  "berth-robot+jwt",
  "JWT\u0000",
  "ＪＷＴ",
  "",
  null,
  1,
  true,
  ["JWT"],
  { typ: "JWT" },
];

const stranger = { kty: "RSA", n: "stranger", e: "AQAB" };

/** Rule 4: a header changes nothing about how the rest is read, and brings no key. */
export const headers: readonly Case[] = [
  ...forbidden.map(
    ([parameter, value]): Case => [
      `${parameter} ${show(value)}`,
      { header: { [parameter]: value } },
      "header_not_allowed",
      { parameter },
    ],
  ),
  ...otherTypes.map(
    (typ): Case => [`typ ${show(typ)}`, { header: { typ } }, "header_not_allowed", { parameter: "typ" }],
  ),
  ["a key in jwk", { header: { jwk: stranger }, signedBy: "stranger" }, "signature_invalid"],
  ["a key set in jku", { header: { jku: "http://127.0.0.1:9/jwks" }, signedBy: "stranger" }, "signature_invalid"],
  ["a certificate in x5c", { header: { x5c: ["MIIB"] }, signedBy: "stranger" }, "signature_invalid"],
  ["a certificate in x5u", { header: { x5u: "http://127.0.0.1:9/x5u" }, signedBy: "stranger" }, "signature_invalid"],
  [
    "a key in jwk under its own kid",
    { header: { kid: "stranger", jwk: stranger } },
    "key_unknown",
    { kid: "stranger" },
  ],
];
