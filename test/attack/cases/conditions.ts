import type { Case, Change } from "../malformed-token.ts";

const other = (robot: Change["robot"] & string, subs: readonly string[]): Case[] =>
  subs.map((sub) => [
    `${robot}: sub ${JSON.stringify(sub).slice(0, 60)}`,
    { robot, claims: { sub } },
    "subject_mismatch",
    { found: sub },
  ]);

/** Rule 9: a subject is a text, compared byte by byte; its one wildcard is at the end. */
export const subjects: readonly Case[] = [
  ...other("acme+ci", [
    "repo:acme/app:ref:refs/heads/dev",
    "repo:acme/app:ref:refs/heads/main2",
    "repo:acme/app:ref:refs/heads/mai",
    "repo:acme/app:ref:refs/heads/main ",
    " repo:acme/app:ref:refs/heads/main",
    "repo:acme/app:ref:refs/heads/Main",
    "repo:Acme/app:ref:refs/heads/main",
    "repo:acme/app:ref:refs/heads/main/",
    "repo:acme/app:ref:refs/heads/*",
    "repo:acme/app:*",
    "*",
    "repo:acme/app:pull_request",
    "repo:acme/app2:ref:refs/heads/main",
    "repo:evil/app:ref:refs/heads/main",
    "repo:evil/repo:acme/app:ref:refs/heads/main",
    "repo:acme/app:ref:refs/heads/main:ref:refs/heads/dev",
    "repo:acme%2Fapp:ref:refs/heads/main",
    "repo:acme\\app:ref:refs/heads/main",
    "repo:аcme/app:ref:refs/heads/main",
    "repo:acme/app:ref:refs/heads/main\u200b",
    "repo:acme/app:ref:refs/heads/\u202emain",
    "repo:ａcme/app:ref:refs/heads/main",
  ]),
  ...other("acme+wild", [
    "repo:acme",
    "repo:acm/e/app",
    "repo:Acme/app",
    "repo:acme2/app",
    "repo:acme-evil/app",
    "repo:acme:app",
    "repo:acme∕app",
    "repo:evil/acme/app",
    "repo:evil:repo:acme/app",
    "xrepo:acme/app",
    " repo:acme/app",
    "REPO:acme/app",
    "repo:*",
    "acme/app",
  ]),
  ...other(
    "acme+punctuated",
    ["repo:acme/axp(p)[1]+|^$?{x}", "repo:acme/a.pp1", "repo:acme/a.p", "repo:acme/a.p(p)[1]", ""].filter(Boolean),
  ),
  ...other("acme+immutable", [
    "repo:acme/app:ref:refs/heads/main",
    "repo:acme@1001/app:ref:refs/heads/main",
    "repo:acme@1002/app@2002:ref:refs/heads/main",
    "repo:acme@1001/app@2003:ref:refs/heads/main",
    "repo:acme@01001/app@2002:ref:refs/heads/main",
  ]),
];

const recycled: Case[] = ["1002", "01001", "1001 ", "", 1001, ["1001"], null, undefined].map(
  (repository_owner_id): Case => [
    `repository_owner_id ${JSON.stringify(repository_owner_id) ?? "missing"}`,
    { robot: "acme+owned", claims: { repository_owner_id } },
    "claim_mismatch",
    { claim: "repository_owner_id" },
  ],
);

const guarded = (robot: "acme+guarded" | "acme+opted", event_name: string): Case => [
  `${robot}: event_name ${event_name}`,
  { robot, claims: { event_name } },
  "claim_mismatch",
  { claim: "event_name", found: JSON.stringify(event_name) },
];

/** Rule 10: who takes an owner's name does not take its number, and what a stranger's fork starts is asked for. */
export const owners: readonly Case[] = [
  ...recycled,
  guarded("acme+guarded", "pull_request_target"),
  guarded("acme+guarded", "workflow_run"),
  guarded("acme+opted", "workflow_run"),
  [
    "no jti where tokens are good once",
    { robot: "acme+guarded", claims: { jti: undefined } },
    "claim_invalid",
    { claim: "jti" },
  ],
];

const unmet: Readonly<Record<string, readonly unknown[]>> = {
  ref: [
    undefined,
    null,
    "",
    "refs/heads/dev",
    "refs/heads/main2",
    "refs/heads/mai",
    "Refs/heads/main",
    "refs/heads/main ",
    ["refs/heads/main"],
    { equals: "refs/heads/main" },
    true,
  ],
  run: [undefined, null, 8, 7.5, -7, "7", true, [7], 70],
  protected: [undefined, null, false, "true", 1, "", [true]],
  environment: [
    undefined,
    null,
    "",
    "test",
    "Production",
    "production,staging",
    ["production"],
    ["production", "staging"],
  ],
  path: [undefined, null, "", "acme", "acme2/app", "Acme/app", "/acme/app", " acme/app", ["acme/app"], { "acme/": 1 }],
  groups: [
    undefined,
    null,
    [],
    "deployers",
    "developers,deployers",
    ["Deployers"],
    ["deployers2"],
    [["deployers"]],
    { 0: "deployers" },
  ],
};

/** Rule 11: a condition compares types too, and a claim that is missing meets none. */
export const conditions: readonly Case[] = Object.entries(unmet).flatMap(([claim, values]) =>
  values.map((value): Case => {
    const found = value === undefined ? "nothing" : JSON.stringify(value);
    const title = `${claim} ${found}`;
    return [title, { robot: "acme+deploy", claims: { [claim]: value } }, "claim_mismatch", { claim, found }];
  }),
);
