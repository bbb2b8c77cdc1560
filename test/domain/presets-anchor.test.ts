import { describe, expect, it } from "vitest";
import type { BindingTerms, Condition } from "../../src/domain/binding.ts";
import { anchorProblem, presetOf, presetWarnings } from "../../src/domain/presets.ts";

type Claims = Record<string, Condition>;

function problem(issuer: string, subject: string, claims: Claims | null = null) {
  return anchorProblem({ subject, claims }, presetOf(issuer));
}

function warnings(issuer: string, subject: string, claims: BindingTerms["claims"] = null): string[] {
  return presetWarnings({ subject, claims }, presetOf(issuer));
}

const github = "https://token.actions.githubusercontent.com";
const gitlab = "https://gitlab.com";
const buildkite = "https://agent.buildkite.com";
const circleci = "https://oidc.circleci.com";
const google = "https://accounts.google.com";
const uuid = "7a9c1c1e-6a43-4d0b-8d5e-0f6f3f2b1a10";

describe("a subject that names its owner", () => {
  it.each([
    [github, "repo:acme/*"],
    [github, "repo:acme/app:*"],
    [github, "repo:acme/app:ref:refs/heads/*"],
    [github, "repo:acme@123456/*"],
    [github, "repo:acme_corp/*"],
    [github, "repository_owner:acme:*"],
    [github, "repository_owner_id:123456:*"],
    [github, "repository_id:456789:*"],
    [github, "repo:acme/app:ref:refs/heads/main"],
    [github, "environment:prod"],
    [gitlab, "project_path:acme/*"],
    [gitlab, "project_path:acme/team/app:ref_type:branch:*"],
    [buildkite, "organization:acme:*"],
    [buildkite, uuid],
    [circleci, `org/${uuid}/*`],
    [google, "117000000000000000042"],
    ["https://codeberg.org/api/actions", "repo:acme/*"],
  ])("anchors a binding for %s by %s", (issuer, subject) => {
    expect(problem(issuer, subject)).toBeUndefined();
  });

  it.each([
    ["all of them", github, "repo:*"],
    ["an owner that is a delimiter", github, "repo:/*"],
    ["an owner that is two", github, "repo:://*"],
    ["an owner that is dots", github, "repo:../*"],
    ["an owner without its delimiter", github, "repo:acme:*"],
    ["an owner without a name before its id", github, "repo:@123456/*"],
    ["an owner without an id behind the @", github, "repo:acme@/*"],
    ["an owner with a space", github, "repo: acme/*"],
    ["an id that is none", github, "repository_owner_id:acme:*"],
    ["another case", github, "Repo:acme/*"],
    ["a claim that a job chooses", github, "environment:prod:*"],
    ["an owner behind what a job chooses", github, "environment:prod:repository_owner:acme:*"],
    ["somebody's workflow, which others may call", github, "job_workflow_ref:acme/ci/.github/workflows/a.yml@refs/*"],
    ["the beginning of a claim's name", github, "repository_owner:*"],
    ["all of them", gitlab, "project_path:*"],
    ["another provider's owner", gitlab, "repo:acme/*"],
    ["all of them", buildkite, "organization:*"],
    ["an organization without its delimiter", buildkite, "organization:acme/*"],
    ["all of them", circleci, "org/*"],
    ["an organization by a name", circleci, "org/acme/*"],
    ["what no subject begins with", google, "117000000000000000042/*"],
  ])("is not %s", (_, issuer, subject) => {
    expect(problem(issuer, subject)).toMatchObject({ path: ["claims"] });
  });
});

describe("a condition", () => {
  it.each<[string, Claims]>([
    [github, { repository_owner: { equals: "acme" } }],
    [github, { repository_owner: { in: ["acme", "acme-labs"] } }],
    [github, { repository_owner_id: { equals: "123456" } }],
    [github, { repository_id: { in: ["456789"] } }],
    [github, { repository: { prefix: "acme/" } }],
    [github, { repository: { prefix: "acme/app-" } }],
    [github, { repository: { equals: "acme/app" } }],
    [github, { enterprise_id: { equals: "9" } }],
    [gitlab, { namespace_id: { equals: "72" } }],
    [gitlab, { project_path: { prefix: "acme/" } }],
    [buildkite, { organization_id: { equals: uuid } }],
    [circleci, { "oidc.circleci.com/project-id": { equals: uuid } }],
    [google, { hd: { equals: "acme.example" } }],
    [github, { ref: { equals: "refs/heads/main" }, repository_owner: { equals: "acme" } }],
  ])("anchors a binding for %s by %j", (issuer, claims) => {
    expect(problem(issuer, "x:*", claims)).toBeUndefined();
  });

  it.each<[string, Claims]>([
    ["on what a job chooses", { environment: { equals: "prod" } }],
    ["on somebody's workflow", { job_workflow_ref: { prefix: "acme/" } }],
    ["with an empty text", { repository_owner: { equals: "" } }],
    ["with one empty text among others", { repository_owner: { in: ["acme", ""] } }],
    ["with one delimiter among others", { repository_owner: { in: ["acme", "/"] } }],
    ["with no text at all", { repository_owner: { in: [] } }],
    ["with a number, which no id is", { repository_owner_id: { equals: 123456 } }],
    ["with a truth", { repository_owner: { equals: true } }],
    ["with a delimiter before an owner", { repository: { equals: "/acme" } }],
    ["with a delimiter for an owner", { repository: { prefix: "/" } }],
    ["with an owner and no delimiter", { repository: { prefix: "acme" } }],
    ["with an owner that goes on", { repository: { prefix: "acme-" } }],
    ["with the beginning of an owner", { repository_owner: { prefix: "acme-" } }],
    ["with the beginning of an id", { repository_owner_id: { prefix: "12/" } }],
    ["with what a list holds", { repository_owner: { contains: "acme" } }],
    ["on another case of a claim", { Repository_Owner: { equals: "acme" } }],
    ["that is inherited, which no token is held against", Object.create({ repository_owner: { equals: "acme" } })],
  ])("%s is no anchor", (_, claims) => {
    expect(problem(github, "repo:*", claims)?.message).toContain("repository_owner_id");
  });

  it("is asked for by name, with how the subject could do without it", () => {
    expect(problem(github, "repo:*")?.message).toBe(
      "must hold a condition on one of repository_owner, repository_owner_id, repository_id, enterprise, enterprise_id, repository, with equals or in and texts, or else the subject must be whole or begin as repo:{name}/ does: GitHub Actions gives tokens to everybody who uses it, and this binding names nobody among them",
    );
    expect(problem(google, "x:*")?.message).toMatch(
      /^must hold a condition on one of hd, .* must be whole: Google gives/,
    );
  });

  it("is not asked for where an issuer has one tenant, or is not known", () => {
    expect(problem("https://token.actions.githubusercontent.com/acme-inc", "repo:*")).toBeUndefined();
    expect(problem("https://ci.acme.example", "repo:*")).toBeUndefined();
  });
});

describe("a warning", () => {
  const ids = expect.stringContaining("repository_id or repository_owner_id");

  it.each<[string, Claims | null]>([
    ["repo:acme@123456/app@456789:ref:refs/heads/main", null],
    ["repo:acme@123456/*", null],
    ["repository_owner_id:123456:*", null],
    ["repo:acme/*", { repository_owner_id: { equals: "123456" } }],
    ["repo:acme/app:ref:refs/heads/main", { repository_id: { in: ["456789"] } }],
    ["environment:prod", { repository_id: { equals: "456789" } }],
  ])("is not given of %s with %j", (subject, claims) => {
    expect(warnings(github, subject, claims)).toEqual([]);
  });

  it("is given of names without ids", () => {
    expect(warnings(github, "repo:acme/app:ref:refs/heads/main")).toEqual([ids]);
    expect(warnings(github, "repo:acme/*", { repository_owner_id: { equals: 123456 } })).toEqual([ids]);
    expect(warnings(github, "repo:acme/*", { repository_owner_id: { prefix: "12/" } })).toEqual([ids]);
    expect(warnings(gitlab, "project_path:acme/*")).toEqual([expect.stringContaining("project_id or namespace_id")]);
    expect(warnings(buildkite, "organization:acme:*")).toHaveLength(1);
    expect(warnings(buildkite, uuid)).toEqual([]);
  });

  it("is given of a whole subject that names no owner, which a stranger's job may have too", () => {
    const nobody = expect.stringMatching(
      /names nobody who owns it.* on one of repository_owner, repository_owner_id, /,
    );
    expect(warnings(github, "environment:prod")).toEqual([nobody, ids]);
    expect(warnings(github, "job_workflow_ref:acme/ci/.github/workflows/a.yml@refs/heads/main")).toEqual([nobody, ids]);
    expect(warnings(github, "environment:prod", { repository_owner: { equals: "acme" } })).toEqual([ids]);
  });

  it("is given of a wildcard for everybody on a server of one's own", () => {
    const everybody = expect.stringContaining("names no tenant");
    const asDoes = expect.stringContaining("as one of repo:{name}/, repository_owner:{name}:, ");
    expect(warnings("https://github.acme.example/_services/token", "repo:*")).toEqual([asDoes, ids]);
    expect(warnings("https://kubernetes.default.svc", "system:serviceaccount:*")).toEqual([everybody]);
    expect(warnings("https://kubernetes.default.svc", "system:serviceaccount:ci:*")).toEqual([]);
    expect(warnings(`https://oidc.circleci.com/org/${uuid}`, `org/${uuid}/*`)).toEqual([everybody]);
  });

  it("is not given where nothing is known of an issuer, or nothing of its subjects", () => {
    expect(warnings("https://ci.acme.example", "repo:*")).toEqual([]);
    expect(warnings(google, "117000000000000000042")).toEqual([]);
    expect(warnings("https://kubernetes.default.svc", "ci:builder")).toEqual([]);
  });
});
