import type { Case, Change } from "../malformed-token.ts";

const show = (value: unknown) => (value === undefined ? "missing" : JSON.stringify(value));

const audience = (robot: Change["robot"] & string, title: string, aud: unknown): Case => [
  `${robot}: aud ${title}`,
  { robot, claims: { aud } },
  "audience_mismatch",
  { found: [aud ?? []].flat() },
];

const client = (robot: Change["robot"] & string, title: string, claims: object, found: unknown[]): Case => [
  `${robot}: ${title}`,
  { robot, claims: { azp: undefined, ...claims } },
  "client_mismatch",
  { expected: ["runner"], found },
];

/** Rule 7: the token must have been meant for us. */
export const audiences: readonly Case[] = [
  audience("acme+ci", "missing", undefined),
  audience("acme+ci", "empty", []),
  audience("acme+ci", "of GitHub's default", "https://github.com/acme"),
  audience("acme+ci", "of Keycloak's default", "account"),
  audience("acme+ci", "of another service", "sts.amazonaws.com"),
  audience("acme+ci", "of other services", ["sts.amazonaws.com", "vault"]),
  audience("acme+ci", "of everyone", "*"),
  ...(
    [
      ["with a slash behind it", (berth) => `${berth}/`],
      ["in upper case", (berth) => berth.toUpperCase()],
      ["with a path", (berth) => `${berth}/v2/auth`],
      ["with a space behind it", (berth) => `${berth} `],
      ["without its scheme", (berth) => new URL(berth).host],
      ["cut short", (berth) => berth.slice(0, -1)],
      ["in a list in a text", (berth) => JSON.stringify([berth])],
      ["among others in one text", (berth) => `other ${berth}`],
      ["by another name of the host", (berth) => berth.replace("127.0.0.1", "localhost")],
    ] satisfies [string, (berth: string) => string][]
  ).map(
    ([title, spell]): Case => [
      `acme+ci: its own audience ${title}`,
      { claims: ({ berth }) => ({ aud: spell(berth) }) },
      "audience_mismatch",
    ],
  ),
  [
    "acme+guild: the service's audience",
    { robot: "acme+guild", claims: ({ berth }) => ({ aud: berth }) },
    "audience_mismatch",
  ],
  audience("acme+guild", "Guild", "Guild"),
  audience("acme+guild", "guild2", "guild2"),
  audience("acme+guild", "with both in one text", "guild https://guild.example"),
  audience("acme+guild", "with a slash behind it", "https://guild.example/"),
  audience("acme+both", "of another, by the right client", "other"),
  client("acme+client", "no client", {}, []),
  client("acme+client", "azp of another", { azp: "laptop" }, ["laptop"]),
  client("acme+client", "client_id of another", { client_id: "laptop" }, ["laptop"]),
  client("acme+client", "appid of another", { appid: "laptop" }, ["laptop"]),
  client("acme+client", "azp in upper case", { azp: "RUNNER" }, ["RUNNER"]),
  client("acme+client", "azp with a space", { azp: "runner " }, ["runner "]),
  client("acme+client", "azp in a list", { azp: ["runner"] }, []),
  client("acme+client", "azp as a member", { azp: { id: "runner" } }, []),
  client("acme+client", "azp true", { azp: true }, []),
  client("acme+client", "azp empty", { azp: "" }, [""]),
  client("acme+client", "cid, which is nobody's claim", { cid: "runner" }, []),
  client("acme+client", "aud that names it", { aud: "runner" }, []),
  client("acme+both", "the right audience and another client", { azp: "laptop" }, ["laptop"]),
];

/** Rule 8: a binding is one unit, and several lend each other nothing. */
export const units: readonly Case[] = [
  ["one's subject for two's audience", { robot: "acme+one-or-two", claims: { aud: "for-two" } }, "subject_mismatch"],
  ["one's subject with two's claim", { robot: "acme+one-or-two", claims: { ref: "two" } }, "claim_mismatch"],
  [
    "one's subject with two's audience and claim",
    { robot: "acme+one-or-two", claims: { aud: "for-two", ref: "two" } },
    "subject_mismatch",
  ],
  ["two's subject for one's audience", { robot: "acme+one-or-two", claims: { sub: "two" } }, "subject_mismatch"],
  [
    "two's subject and audience with one's claim",
    { robot: "acme+one-or-two", claims: { sub: "two", aud: "for-two" } },
    "claim_mismatch",
  ],
  [
    "both audiences, with one's subject and two's claim",
    { robot: "acme+one-or-two", claims: { aud: ["for-one", "for-two"], ref: "two" } },
    "claim_mismatch",
  ],
  [
    "both audiences, and a subject of neither",
    { robot: "acme+one-or-two", claims: { aud: ["for-one", "for-two"], sub: "three" } },
    "subject_mismatch",
  ],
  ["both subjects in one text", { robot: "acme+one-or-two", claims: { sub: "one two" } }, "subject_mismatch"],
  ["good for another robot", { robot: "acme+guild", claims: { aud: "for-one", sub: "one" } }, "audience_mismatch"],
  ["good for a binding that has expired", { robot: "acme+past" }, "binding_expired", { at: 1_577_836_800 }],
  ["good for a binding that only rehearses", { robot: "acme+rehearsed" }, "robot_unbound", { auditOnly: true }],
];

const noProject = [
  "",
  "/",
  ".",
  "..",
  "../acme",
  "a//b",
  "App",
  "a/",
  "/a",
  "a b",
  "a:push",
  "a,b",
  "a\nb",
  "{ref}",
  "*",
  "a/*",
  "é",
];

/** What a binding's scope makes of a claim: a repository, or nothing. */
export const scopes: readonly Case[] = [
  ...[...noProject, "a".repeat(256), 7, true, null, [], ["app"], { app: 1 }, undefined].map(
    (project): Case => [
      `project ${show(project)?.slice(0, 24)}`,
      { robot: "acme+by-project", claims: { project } },
      "scope_invalid",
      { scope: "repository:acme/{project}:pull" },
    ],
  ),
];
