import type { Case, Change } from "../malformed-token.ts";

type Part = "header" | "payload";

/** Does something to the JSON of one part. */
const text = (part: Part, change: (json: string) => string | Uint8Array): Change =>
  part === "header" ? { headerText: change } : { payloadText: change };

/** Puts a member in front of the others. */
const withMember = (member: string) => (json: string) => json.replace("{", `{${member},`);

const refuse = (part: Part, title: string, change: (json: string) => string | Uint8Array): Case => [
  `${part}: ${title}`,
  text(part, change),
  "token_json_invalid",
  { part },
];

const names: Readonly<Record<Part, readonly string[]>> = {
  header: ["alg", "kid", "typ"],
  payload: ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "azp", "ref", "groups"],
};

const repeated: Case[] = (["header", "payload"] as const).flatMap((part) =>
  names[part].flatMap((name) => [
    refuse(part, `${name} twice`, withMember(`"${name}":"x"`)),
    refuse(part, `${name} twice, once escaped`, withMember(`"\\u00${hex(name)}${name.slice(1)}":"x"`)),
    refuse(part, `${name} twice, the second time last`, (json) => json.replace(/}$/, `,"${name}":null}`)),
  ]),
);

function hex(name: string): string {
  return name.charCodeAt(0).toString(16);
}

const bytes = (...values: (string | number)[]) =>
  Buffer.concat(values.map((value) => (typeof value === "string" ? Buffer.from(value) : Buffer.from([value]))));

/** Bytes inside a claim's text that are no UTF-8. */
const spoil =
  (...spoiled: number[]) =>
  (json: string) =>
    bytes('{"x":"', ...spoiled, '",', json.slice(1));

const nested = (depth: number) => `"x":${"[".repeat(depth)}${"]".repeat(depth)}`;
const nestedObjects = (depth: number) => `"x":${'{"x":'.repeat(depth)}1${"}".repeat(depth)}`;

const ungrammatical: Case[] = (["header", "payload"] as const).flatMap((part): Case[] => [
  refuse(part, "nothing but a space", () => " "),
  refuse(part, "null", () => "null"),
  refuse(part, "an array around it", (json) => `[${json}]`),
  refuse(part, "a text around it", (json) => JSON.stringify(json)),
  refuse(part, "a number", () => "1"),
  refuse(part, "two objects", (json) => json + json),
  refuse(part, "text behind it", (json) => `${json}x`),
  refuse(part, "a NUL behind it", (json) => `${json}\u0000`),
  refuse(part, "a comma too many", (json) => json.replace(/}$/, ",}")),
  refuse(part, "no end", (json) => json.slice(0, -1)),
  refuse(part, "a comment", (json) => json.replace("{", "{/**/")),
  refuse(part, "a comment to the end of the line", (json) => `${json}//`),
  refuse(part, "single quotes", (json) => json.replaceAll('"', "'")),
  refuse(part, "a name without quotes", withMember("x:1")),
  refuse(part, "a number for a name", withMember("1:1")),
  refuse(part, "NaN", withMember('"x":NaN')),
  refuse(part, "Infinity", withMember('"x":Infinity')),
  refuse(part, "undefined", withMember('"x":undefined')),
  refuse(part, "True", withMember('"x":True')),
  refuse(part, "a leading zero", withMember('"x":01')),
  refuse(part, "a leading plus", withMember('"x":+1')),
  refuse(part, "a number that starts with its point", withMember('"x":.5')),
  refuse(part, "a number that ends with its point", withMember('"x":1.')),
  refuse(part, "a hexadecimal number", withMember('"x":0x10')),
  refuse(part, "a number that overflows", withMember('"x":1e400')),
  refuse(part, "a negative number that overflows", withMember('"x":-1e400')),
  refuse(part, "a line feed in a text", withMember('"x":"a\nb"')),
  refuse(part, "a NUL in a text", withMember('"x":"a\u0000b"')),
  refuse(part, "an unknown escape", withMember('"x":"\\x41"')),
  refuse(part, "half an escape", withMember('"x":"\\u12"')),
  refuse(part, "a no-break space between members", (json) => json.replace("{", "{\u00a0")),
  [
    `${part}: a byte order mark`,
    text(part, (json) => `\ufeff${json}`),
    "token_json_invalid",
    { part, detail: "it starts with a byte order mark" },
  ],
  refuse(part, "UTF-16", (json) => Buffer.from(json, "utf16le")),
  refuse(part, "a byte of Latin-1", spoil(0xe9)),
  refuse(part, "an overlong slash", spoil(0xc0, 0xaf)),
  refuse(part, "an overlong NUL", spoil(0xc0, 0x80)),
  refuse(part, "half of a surrogate pair as bytes", spoil(0xed, 0xa0, 0x80)),
  refuse(part, "a character beyond Unicode", spoil(0xf4, 0x90, 0x80, 0x80)),
  refuse(part, "a character cut short", spoil(0xe2, 0x82)),
  refuse(part, "arrays nine deep", withMember(nested(8))),
  refuse(part, "objects nine deep", withMember(nestedObjects(8))),
  refuse(part, "arrays five hundred deep", withMember(nested(500))),
  refuse(part, "257 elements of an array", withMember(`"x":[${Array(257).fill(0)}]`)),
  refuse(
    part,
    "250 elements in each of two arrays",
    withMember(`"x":[${Array(250).fill(0)}],"y":[${Array(250).fill(0)}]`),
  ),
  refuse(part, "a name twice, deep down", withMember('"x":[{"y":{"a":1,"a":1}}]')),
  refuse(part, "__proto__ twice", withMember('"__proto__":{},"__proto__":{}')),
]);

/** Rule 2: a text that two parsers could read in two ways is no token. */
export const json: readonly Case[] = [...repeated, ...ungrammatical];
