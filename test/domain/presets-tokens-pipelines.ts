import type { JsonObject } from "../../src/domain/json.ts";
import { audience, type ProviderTokens } from "./presets-tokens.ts";

const times = { iat: 1_800_000_000, nbf: 1_800_000_000, exp: 1_800_000_300 };
const sha = "9f3182061f1e2cca4702c368cbc039b7dc9d4485";

const owner = { owner: "acme", owner_id: "123456", repository: "app", repository_id: "456789" };

const githubJob = {
  ...times,
  aud: audience,
  jti: "6f4762ed-0758-4ccb-808d-ee3af5d723a8",
  ref: "refs/heads/main",
  ref_type: "branch",
  sha,
  repository: "acme/app",
  repository_id: "456789",
  repository_owner: "acme",
  repository_owner_id: "123456",
  actor: "mona",
  actor_id: "12",
  event_name: "push",
  workflow: "build",
  workflow_ref: "acme/app/.github/workflows/build.yml@refs/heads/main",
  run_id: "100",
  run_attempt: "1",
};

/** Somebody took the names that acme gave up: only the ids differ. */
const recycled = { repository_id: "987654", repository_owner_id: "654321" };

function github(issuer: string, more: Record<string, string> = {}): ProviderTokens {
  return {
    values: { ...owner, ...more },
    token: { ...githubJob, iss: issuer, sub: "repo:acme@123456/app@456789:ref:refs/heads/main" },
    stranger: { ...recycled, sub: "repo:acme@654321/app@987654:ref:refs/heads/main" },
  };
}

function named(issuer: string, more: Record<string, string> = {}): ProviderTokens {
  return {
    values: { ...owner, ...more },
    token: { ...githubJob, iss: issuer, sub: "repo:acme/app:ref:refs/heads/main" },
    stranger: recycled,
  };
}

function gitlab(issuer: string, more: Record<string, string> = {}): ProviderTokens {
  return {
    values: { group: "acme", project: "app", project_id: "20", namespace_id: "72", ...more },
    token: {
      ...times,
      iss: issuer,
      aud: audience,
      sub: "project_path:acme/app:ref_type:branch:ref:main",
      jti: "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
      namespace_id: "72",
      namespace_path: "acme",
      project_id: "20",
      project_path: "acme/app",
      user_login: "sample-user",
      pipeline_id: "574",
      pipeline_source: "push",
      job_id: "302",
      ref: "main",
      ref_type: "branch",
      ref_path: "refs/heads/main",
      ref_protected: "true",
      runner_id: 1,
      runner_environment: "gitlab-hosted",
      sha,
    },
    stranger: { namespace_id: "73", project_id: "21" },
  };
}

const circleci = {
  organization: "7a9c1c1e-6a43-4d0b-8d5e-0f6f3f2b1a10",
  project: "0b6f2d1e-2f61-4c0c-a3f5-6f0d6a0f7c11",
};

function circle(issuer: string): ProviderTokens {
  const { organization, project } = circleci;
  const subject = (id: string) =>
    `org/${id}/project/${project}/user/3e5b8a52-8f0d-4f1e-9a56-21c1f7b9d012/vcs-origin/github.com/acme/app/vcs-ref/refs/heads/main`;
  return {
    values: { organization_id: organization, project_id: project, vcs_origin: "github.com/acme/app" },
    token: {
      iat: times.iat,
      exp: times.exp,
      iss: issuer,
      aud: audience,
      sub: subject(organization),
      "oidc.circleci.com/project-id": project,
      "oidc.circleci.com/vcs-origin": "github.com/acme/app",
      "oidc.circleci.com/vcs-ref": "refs/heads/main",
      "oidc.circleci.com/context-ids": [],
      "oidc.circleci.com/ssh-rerun": false,
    },
    stranger: { sub: subject("1c0ffee0-0000-4000-8000-000000000000") },
  };
}

const bitbucket = {
  repository: "{2e9e429c-7b8b-404f-8648-8c40c27c9ebd}",
  step: "{0f2c1d7b-31c8-4d8e-8e7f-2b6a5d9c4e13}",
};

const bitbucketToken: JsonObject = {
  iat: times.iat,
  exp: times.exp,
  iss: "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc",
  aud: ["ari:cloud:bitbucket::workspace/7baee083-4f25-4a97-8a9a-0fde1b623b45", audience],
  sub: `${bitbucket.repository}:${bitbucket.step}`,
  repositoryUuid: bitbucket.repository,
  workspaceUuid: "{7baee083-4f25-4a97-8a9a-0fde1b623b45}",
  stepUuid: bitbucket.step,
  pipelineUuid: "{5a1d3c2b-9e8f-4a7b-8c6d-1e2f3a4b5c14}",
  branchName: "main",
};

export const pipelineTokens: Readonly<Record<string, ProviderTokens>> = {
  "github-actions": github("https://token.actions.githubusercontent.com"),
  "github-enterprise-cloud": github("https://token.actions.githubusercontent.com/acme-inc", { enterprise: "acme-inc" }),
  "github-enterprise-server": named("https://github.acme.example/_services/token", { host: "github.acme.example" }),
  codeberg: named("https://codeberg.org/api/actions"),
  forgejo: named("https://forgejo.acme.example/api/actions", { host: "forgejo.acme.example" }),
  gitlab: gitlab("https://gitlab.com"),
  "gitlab-self-managed": gitlab("https://gitlab.acme.example", { host: "gitlab.acme.example" }),
  circleci: circle(`https://oidc.circleci.com/org/${circleci.organization}`),
  "circleci-root": circle("https://oidc.circleci.com"),
  buildkite: {
    values: {
      organization: "acme",
      pipeline: "app",
      organization_id: "f892efa9-103e-4d28-97a1-3b8616a0994d",
      pipeline_id: "0184990a-4782-42b5-afc1-16715b10b1a0",
    },
    token: {
      ...times,
      iss: "https://agent.buildkite.com",
      aud: audience,
      sub: `organization:acme:pipeline:app:ref:refs/heads/main:commit:${sha}:step:build`,
      jti: "0194b014-8517-7cef-b232-76a827315f08",
      organization_slug: "acme",
      organization_id: "f892efa9-103e-4d28-97a1-3b8616a0994d",
      pipeline_slug: "app",
      pipeline_id: "0184990a-4782-42b5-afc1-16715b10b1a0",
      build_number: 1,
      build_branch: "main",
      build_tag: null,
      build_commit: sha,
      step_key: "build",
      job_id: "0184990a-477b-4fa8-9968-496074483cee",
      build_source: "ui",
      runner_environment: "buildkite-hosted",
    },
    stranger: { organization_id: "0c0ffee0-0000-4000-8000-000000000000" },
  },
  bitbucket: {
    values: { workspace: "acme", repository_uuid: bitbucket.repository },
    token: bitbucketToken,
    stranger: { sub: `{1c0ffee0-0000-4000-8000-000000000000}:${bitbucket.step}` },
  },
  "azure-devops": {
    values: {
      organization_id: "9c1d4a3e-7b2f-4f0a-8e5d-6a7b8c9d0e15",
      organization: "acme",
      project: "app",
      service_connection: "berth",
    },
    token: {
      ...times,
      iss: "https://vstoken.dev.azure.com/9c1d4a3e-7b2f-4f0a-8e5d-6a7b8c9d0e15",
      aud: "api://AzureADTokenExchange",
      sub: "sc://acme/app/berth",
    },
    stranger: { sub: "sc://acme/other/berth" },
  },
  jenkins: {
    values: { host: "jenkins.acme.example", job: "app" },
    token: {
      iat: times.iat,
      exp: times.exp,
      iss: "https://jenkins.acme.example/oidc",
      aud: audience,
      sub: "https://jenkins.acme.example/job/app/",
      build_number: 7,
    },
    stranger: { sub: "https://jenkins.acme.example/job/other/" },
  },
};
