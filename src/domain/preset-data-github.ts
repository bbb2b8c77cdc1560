import type { Preset } from "./preset.ts";

/** Only subjects that begin with the owner: all behind it may be the choice of whoever runs the job. */
const owned = {
  claims: ["repository_owner", "repository_owner_id", "repository_id"],
  paths: ["repository"],
  subjects: ["repo:{name}/"],
};

const customized = ["repository_owner:{name}:", "repository_owner_id:{id}:", "repository_id:{id}:"];

const jobClaims = [
  "repository",
  "repository_id",
  "repository_owner",
  "repository_owner_id",
  "ref",
  "ref_type",
  "sha",
  "event_name",
  "workflow",
  "workflow_ref",
  "run_id",
  "run_attempt",
];

/** Both events run with the rights of the repository on what a stranger has sent. */
const guarded = { claim: "event_name", values: ["pull_request_target", "workflow_run"] };

const immutableIds = ["repository_id", "repository_owner_id"];

const github = {
  anchors: {
    claims: [...owned.claims, "enterprise", "enterprise_id"],
    paths: owned.paths,
    subjects: ["repo:{name}/", "repo:{name}@{id}/", ...customized],
  },
  immutableIds,
  replayProtection: true,
  audience:
    "Ask for it: add &audience=URL to ACTIONS_ID_TOKEN_REQUEST_URL, or call core.getIDToken(URL); the job needs the permission id-token: write. Otherwise the audience is the URL of the repository's owner.",
  claims: [
    ...jobClaims,
    "environment",
    "job_workflow_ref",
    "runner_environment",
    "repository_visibility",
    "enterprise",
  ],
  guarded,
  documentation: "https://docs.github.com/en/actions/reference/security/oidc",
};

const immutableSubject = "repo:{owner}@{owner_id}/{repository}@{repository_id}:ref:refs/heads/main";

/** The subject holds names alone, and the conditions the ids. */
const namedExample = {
  subject: "repo:{owner}/{repository}:ref:refs/heads/main",
  claims: { repository_id: { equals: "{repository_id}" }, repository_owner_id: { equals: "{owner_id}" } },
};

const forgejo = {
  anchors: owned,
  immutableIds,
  replayProtection: false,
  audience:
    "Ask for it: set enable-openid-connect: true on the job and add &audience=URL to ACTIONS_ID_TOKEN_REQUEST_URL.",
  claims: [...jobClaims, "ref_protected"],
  guarded,
  documentation: "https://forgejo.org/docs/next/user/actions/security-openid-connect",
};

/** GitHub Actions, and Forgejo Actions, whose tokens are made after its pattern. */
export const githubPresets: readonly Preset[] = [
  {
    ...github,
    id: "github-actions",
    name: "GitHub Actions",
    issuers: ["https://token.actions.githubusercontent.com"],
    shared: true,
    example: { issuer: "https://token.actions.githubusercontent.com", subject: immutableSubject },
  },
  {
    ...github,
    id: "github-enterprise-cloud",
    name: "GitHub Enterprise Cloud with an issuer of its own",
    issuers: [
      "https://token.actions.githubusercontent.com/{enterprise}",
      "https://token.actions.{enterprise}.ghe.com",
      "https://token.actions.{enterprise}.ghe.com/{enterprise}",
    ],
    shared: false,
    example: { issuer: "https://token.actions.githubusercontent.com/{enterprise}", subject: immutableSubject },
  },
  {
    ...github,
    id: "github-enterprise-server",
    name: "GitHub Enterprise Server",
    issuers: ["https://{host}/_services/token"],
    shared: false,
    anchors: { ...owned, subjects: [...owned.subjects, ...customized] },
    example: { issuer: "https://{host}/_services/token", ...namedExample },
  },
  {
    ...forgejo,
    id: "codeberg",
    name: "Codeberg",
    issuers: ["https://codeberg.org/api/actions"],
    shared: true,
    example: { issuer: "https://codeberg.org/api/actions", ...namedExample },
  },
  {
    ...forgejo,
    id: "forgejo",
    name: "Forgejo Actions",
    issuers: ["https://{host}/api/actions"],
    shared: false,
    example: { issuer: "https://{host}/api/actions", ...namedExample },
  },
];
