import type { Case } from "../malformed-token.ts";

const show = (value: unknown) => {
  const json = JSON.stringify(value) ?? "missing";
  return json.length > 40 ? `${json.slice(0, 24)}… (${json.length} characters)` : json;
};

const invalid = (claim: string, value: unknown): Case => [
  `${claim} ${show(value)}`,
  { claims: { [claim]: value } },
  "claim_invalid",
  { claim },
];

const noText = [
  "",
  1,
  0,
  -1.5,
  true,
  false,
  null,
  [],
  {},
  ["repo:acme/app:ref:refs/heads/main"],
  "repo:acme/app\u0000",
  "\nrepo:acme/app",
  "repo:acme/app\u007f",
  "repo:acme/app\u0085",
  "repo:acme/\ud800",
  "repo:acme/\udc00app",
];

const noAudience = [
  "",
  1,
  true,
  null,
  {},
  { aud: "berth" },
  [1],
  [null],
  [["berth"]],
  ["berth", ""],
  ["berth", null],
  "berth\u0000",
  ["berth\n"],
  "\ud800",
  "a".repeat(601),
  Array(17).fill("berth"),
];

const noTime = ["1800000000", "", "2026-01-01T00:00:00Z", true, false, null, [], [1_800_000_000], {}, { seconds: 1 }];

/** Rule 2, of the claims that decide: what they must be of. */
export const claims: readonly Case[] = [
  ...["iss", "sub", "jti"].flatMap((claim) => noText.map((value) => invalid(claim, value))),
  ...["iss", "sub", "exp", "iat"].map((claim) => invalid(claim, undefined)),
  invalid("iss", `https://ci.example/${"a".repeat(582)}`),
  invalid("sub", "a".repeat(601)),
  invalid("jti", "a".repeat(513)),
  ...noAudience.map((value) => invalid("aud", value)),
  ...["exp", "iat", "nbf"].flatMap((claim) => noTime.map((value) => invalid(claim, value))),
];

/** Rule 12: a token is good for a while, which began, and which is short. */
export const times: readonly Case[] = [
  ["expired past the leeway", { claims: ({ now }) => ({ exp: now - 30 }) }, "expired"],
  ["expired by half a second past the leeway", { claims: ({ now }) => ({ exp: now - 30.5 }) }, "expired"],
  ["expired an hour ago", { claims: ({ now }) => ({ iat: now - 7200, nbf: now - 7200, exp: now - 3600 }) }, "expired"],
  ["expired before it was issued", { claims: ({ now }) => ({ exp: now - 300 }) }, "expired"],
  ["exp 0", { claims: { exp: 0 } }, "expired", { exp: 0 }],
  ["exp -1", { claims: { exp: -1 } }, "expired", { exp: -1 }],
  ["exp at the end of numbers below zero", { claims: { exp: -1.7e308 } }, "expired"],
  ["exp -0", { payloadText: (json) => json.replace(/"exp":\d+/, '"exp":-0') }, "expired"],
  ["exp in hours", { claims: ({ now }) => ({ exp: Math.ceil(now / 3600) }) }, "expired"],
  ["good in a minute", { claims: ({ now }) => ({ nbf: now + 60 }) }, "not_yet_valid"],
  ["good in a minute and half a second", { claims: ({ now }) => ({ nbf: now + 60.5 }) }, "not_yet_valid"],
  ["nbf in milliseconds", { claims: ({ now }) => ({ nbf: now * 1000 }) }, "not_yet_valid"],
  ["nbf at the end of numbers", { claims: { nbf: 1.7e308 } }, "not_yet_valid", { nbf: 1.7e308 }],
  ["good only once it has expired", { claims: ({ now }) => ({ nbf: now + 600 }) }, "not_yet_valid"],
  ["issued in a minute", { claims: ({ now }) => ({ iat: now + 60 }) }, "issued_in_future"],
  ["issued next year", { claims: ({ now }) => ({ iat: now + 31_536_000, exp: now + 31_536_300 }) }, "issued_in_future"],
  ["iat in milliseconds", { claims: ({ now }) => ({ iat: now * 1000 }) }, "issued_in_future"],
  ["iat at the end of numbers", { claims: { iat: 1.7e308, exp: 1.7e308 } }, "issued_in_future", { iat: 1.7e308 }],
  [
    "a day and a second long",
    { claims: ({ now }) => ({ exp: now + 86_401 }) },
    "lifetime_too_long",
    { seconds: 86_401, limit: 86_400 },
  ],
  ["a day and a little long", { claims: ({ now }) => ({ exp: now + 86_400.5 }) }, "lifetime_too_long"],
  ["ten years long", { claims: ({ now }) => ({ exp: now + 315_360_000 }) }, "lifetime_too_long"],
  ["exp in milliseconds", { claims: ({ now }) => ({ exp: now * 1000 }) }, "lifetime_too_long"],
  ["exp at the end of numbers", { claims: { exp: 1.7e308 } }, "lifetime_too_long"],
  ["issued at the beginning of time", { claims: { iat: 0 } }, "lifetime_too_long"],
  ["issued before the beginning of time", { claims: { iat: -1 } }, "lifetime_too_long"],
  ["as long as numbers can say", { claims: { iat: -1.7e308, exp: 1.7e308 } }, "lifetime_too_long"],
  [
    "long-lived, and issued long ago",
    { claims: ({ now }) => ({ iat: now - 86_400, nbf: now - 86_400, exp: now + 60 }) },
    "lifetime_too_long",
  ],
  ["exp that overflows", { payloadText: (json) => json.replace(/"exp":\d+/, '"exp":1e400') }, "token_json_invalid"],
  ["iat that overflows", { payloadText: (json) => json.replace(/"iat":\d+/, '"iat":-1e400') }, "token_json_invalid"],
  ["nbf that overflows", { payloadText: (json) => json.replace(/"nbf":\d+/, '"nbf":1e309') }, "token_json_invalid"],
];
