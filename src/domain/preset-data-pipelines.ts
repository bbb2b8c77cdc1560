import type { Preset } from "./preset.ts";

const gitlab = {
  anchors: {
    claims: ["namespace_id", "project_id"],
    paths: ["project_path", "namespace_path"],
    subjects: ["project_path:{name}/"],
  },
  immutableIds: ["project_id", "namespace_id"],
  replayProtection: false,
  audience:
    "Name it in the job: id_tokens: {BERTH_TOKEN: {aud: URL}}. The token lies in that variable for the whole job.",
  claims: [
    "project_path",
    "project_id",
    "namespace_path",
    "namespace_id",
    "ref",
    "ref_type",
    "ref_path",
    "ref_protected",
    "environment",
    "environment_protected",
    "pipeline_source",
    "pipeline_id",
    "job_id",
    "runner_environment",
    "sha",
    "ci_config_ref_uri",
  ],
  documentation: "https://docs.gitlab.com/ci/secrets/id_token_authentication/",
};

const gitlabExample = {
  subject: "project_path:{group}/{project}:ref_type:branch:ref:main",
  claims: {
    project_id: { equals: "{project_id}" },
    namespace_id: { equals: "{namespace_id}" },
    ref_protected: { equals: "true" },
  },
};

const circleci = {
  anchors: { claims: ["oidc.circleci.com/project-id"], paths: [], subjects: ["org/{uuid}/"] },
  immutableIds: [],
  replayProtection: false,
  audience:
    'Ask for it: circleci run oidc get --claims \'{"aud": "URL"}\'. Otherwise the audience is the id of the organization.',
  claims: ["oidc.circleci.com/project-id", "oidc.circleci.com/vcs-origin", "oidc.circleci.com/vcs-ref"],
  documentation: "https://circleci.com/docs/openid-connect-tokens/",
};

const circleciExample = {
  subject: "org/{organization_id}/project/{project_id}/*",
  claims: {
    "oidc.circleci.com/vcs-origin": { equals: "{vcs_origin}" },
    "oidc.circleci.com/vcs-ref": { equals: "refs/heads/main" },
  },
};

/** Pipelines that are not GitHub's kind. */
export const pipelinePresets: readonly Preset[] = [
  {
    ...gitlab,
    id: "gitlab",
    name: "GitLab.com",
    issuers: ["https://gitlab.com"],
    shared: true,
    example: { issuer: "https://gitlab.com", ...gitlabExample },
  },
  {
    ...gitlab,
    id: "gitlab-self-managed",
    name: "GitLab, self-managed",
    issuers: [],
    shared: false,
    example: { issuer: "https://{host}", ...gitlabExample },
  },
  {
    ...circleci,
    id: "circleci",
    name: "CircleCI",
    issuers: ["https://oidc.circleci.com/org/{organization_id}"],
    shared: false,
    anchors: { ...circleci.anchors, subjects: ["org/{uuid}/project/{uuid}/"] },
    example: { issuer: "https://oidc.circleci.com/org/{organization_id}", ...circleciExample },
  },
  {
    ...circleci,
    id: "circleci-root",
    name: "CircleCI, the issuer of all organizations",
    issuers: ["https://oidc.circleci.com"],
    shared: true,
    example: { issuer: "https://oidc.circleci.com", ...circleciExample },
  },
  {
    id: "buildkite",
    name: "Buildkite",
    issuers: ["https://agent.buildkite.com"],
    shared: true,
    anchors: {
      claims: ["organization_slug", "organization_id", "pipeline_id"],
      paths: [],
      subjects: ["organization:{name}:", "{uuid}:"],
    },
    immutableIds: ["organization_id", "pipeline_id"],
    replayProtection: false,
    audience:
      "Ask for it: buildkite-agent oidc request-token --audience URL --claim organization_id,pipeline_id. Otherwise the audience is the URL of the organization.",
    claims: [
      "organization_slug",
      "organization_id",
      "pipeline_slug",
      "pipeline_id",
      "build_branch",
      "build_tag",
      "build_commit",
      "build_number",
      "build_source",
      "step_key",
      "job_id",
      "runner_environment",
    ],
    example: {
      issuer: "https://agent.buildkite.com",
      subject: "organization:{organization}:pipeline:{pipeline}:ref:refs/heads/main:*",
      claims: { organization_id: { equals: "{organization_id}" }, pipeline_id: { equals: "{pipeline_id}" } },
    },
    documentation: "https://buildkite.com/docs/agent/cli/reference/oidc",
  },
  {
    id: "bitbucket",
    name: "Bitbucket Pipelines",
    issuers: ["https://api.bitbucket.org/2.0/workspaces/{workspace}/pipelines-config/identity/oidc"],
    shared: false,
    anchors: { claims: ["repositoryUuid"], paths: [], subjects: ["{uuid}:"] },
    immutableIds: [],
    replayProtection: false,
    audience:
      "Name it in the step: oidc: {audiences: [URL]}. Otherwise the audience is ari:cloud:bitbucket::workspace/ and the id of the workspace.",
    claims: [
      "repositoryUuid",
      "workspaceUuid",
      "branchName",
      "deploymentEnvironmentUuid",
      "pipelineUuid",
      "pipelineRunUuid",
      "stepUuid",
    ],
    example: {
      issuer: "https://api.bitbucket.org/2.0/workspaces/{workspace}/pipelines-config/identity/oidc",
      subject: "{repository_uuid}:*",
      claims: { branchName: { equals: "main" } },
    },
    documentation:
      "https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/",
  },
  {
    id: "azure-devops",
    name: "Azure DevOps",
    issuers: ["https://vstoken.dev.azure.com/{organization_id}"],
    shared: false,
    anchors: { claims: [], paths: [], subjects: ["sc://{name}/"] },
    immutableIds: [],
    replayProtection: false,
    audience:
      "It cannot be chosen: a service connection's token is made for api://AzureADTokenExchange, which the binding must name.",
    claims: [],
    example: {
      issuer: "https://vstoken.dev.azure.com/{organization_id}",
      subject: "sc://{organization}/{project}/{service_connection}",
      audiences: ["api://AzureADTokenExchange"],
    },
    documentation: "https://learn.microsoft.com/en-us/azure/devops/pipelines/release/configure-workload-identity",
  },
  {
    id: "jenkins",
    name: "Jenkins with the OpenID Connect Provider plugin",
    issuers: [],
    shared: false,
    anchors: { claims: [], paths: [], subjects: [] },
    immutableIds: [],
    replayProtection: false,
    audience: "Set it in the credential of the kind OpenID Connect id token.",
    claims: ["build_number"],
    example: { issuer: "https://{host}/oidc", subject: "https://{host}/job/{job}/" },
    documentation: "https://plugins.jenkins.io/oidc-provider/",
  },
];
