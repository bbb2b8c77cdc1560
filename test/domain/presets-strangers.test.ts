import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Binding, bindingProblems, type Condition } from "../../src/domain/binding.ts";
import type { Json, JsonObject } from "../../src/domain/json.ts";
import { anchorProblem, presets, presetWarnings } from "../../src/domain/presets.ts";
import { makeBinding } from "../support/terms.ts";
import { audience, passes } from "./presets-tokens.ts";

/**
 * A tenant who was not there when the binding was written, and who knows it. All that a provider lets a
 * tenant choose is theirs to choose: every claim but those that name the tenant, and what a customized
 * subject is made of.
 */
interface Stranger {
  readonly name: string;
  readonly id: string;
  readonly uuid: string;
}

interface Provider {
  readonly preset: string;
  /** The claims that the provider fills in by who the tenant is. */
  claims(stranger: Stranger): JsonObject;
  /** The subjects that the provider would write for the stranger, to come as close as can be to `start`. */
  subjects(stranger: Stranger, start: string): string[];
}

const github: Provider = {
  preset: "github-actions",
  claims: ({ name, id }) => ({
    repository: `${name}/app`,
    repository_id: id,
    repository_owner: name,
    repository_owner_id: id,
    enterprise: name,
    enterprise_id: id,
  }),
  subjects: ({ name, id }, start) => {
    const own: Record<string, string> = {
      repo: `${name}/app`,
      repository: `${name}/app`,
      repository_id: id,
      repository_owner: name,
      repository_owner_id: id,
      enterprise: name,
      enterprise_id: id,
    };
    // Customized: claim after claim, of which the stranger chooses all that do not name the tenant.
    const parts = start.split(":");
    const customized = parts.map((part, index) => (index % 2 === 0 ? part : (own[parts[index - 1] ?? ""] ?? part)));
    return [
      `repo:${name}/app:ref:refs/heads/main`,
      `repo:${name}@${id}/app@${id}:ref:refs/heads/main`,
      customized.join(":"),
      `${customized.join(":")}x`,
    ];
  },
};

const providers: readonly Provider[] = [
  github,
  { ...github, preset: "codeberg" },
  {
    preset: "gitlab",
    claims: ({ name, id }) => ({
      namespace_id: id,
      namespace_path: name,
      project_id: id,
      project_path: `${name}/app`,
    }),
    subjects: ({ name }) => [`project_path:${name}/app:ref_type:branch:ref:main`, `project_path:${name}/app:ref:main`],
  },
  {
    preset: "buildkite",
    claims: ({ name, uuid }) => ({ organization_slug: name, organization_id: uuid, pipeline_id: uuid }),
    subjects: ({ name, uuid }) => [`organization:${name}:pipeline:app:ref:refs/heads/main:commit:0:step:build`, uuid],
  },
  {
    preset: "circleci-root",
    claims: ({ uuid }) => ({ "oidc.circleci.com/project-id": uuid }),
    subjects: ({ uuid }) => [`org/${uuid}/project/${uuid}/user/${uuid}/vcs-origin/github.com/acme/app`],
  },
  {
    preset: "google",
    claims: ({ name }) => ({ hd: name }),
    subjects: ({ id }) => [id],
  },
];

const acme = "7a9c1c1e-6a43-4d0b-8d5e-0f6f3f2b1a10";

// Fresh names begin in a way that no word below does.
const stranger: fc.Arbitrary<Stranger> = fc.record({
  name: fc.stringMatching(/^zz[a-z0-9]{6,12}$/),
  id: fc.stringMatching(/^99[0-9]{8,12}$/),
  uuid: fc.uuid().map((uuid) => `ffffffff${uuid.slice(8)}`),
});

const keys = ["repo", "repository", "repository_owner", "repository_owner_id", "repository_id", "environment", "ref"];
const word = fc.constantFrom(
  ...["", ...keys, "project_path", "organization", "org", "acme", "acme@12", "12", "app", "prod", acme, ".", "-", " "],
);
const delimiter = fc.constantFrom(":", ":", "/", "@");

const subject = fc
  .tuple(
    fc.array(
      fc.tuple(word, delimiter).map((pair) => pair.join("")),
      { minLength: 1, maxLength: 5 },
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant("*") }, word),
  )
  .map(([start, end]) => start.join("") + end);

const operand = fc.oneof(word, fc.constantFrom("/", ":", "acme/", "acme/app", "acme-", 12, true));
const text = fc.tuple(word, fc.constantFrom("/", ":", "-", "")).map((pair) => pair.join(""));
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ equals: operand }),
  fc.record({ in: fc.array(operand, { maxLength: 3 }) }),
  fc.record({ prefix: text }),
  fc.record({ contains: operand }),
);

/** A value that a condition takes, where the stranger may choose one. */
function chosenValue(wanted: Condition): Json {
  if ("equals" in wanted) return wanted.equals;
  if ("in" in wanted) return wanted.in[0] ?? "";
  return "prefix" in wanted ? wanted.prefix : [wanted.contains];
}

function forgeries({ subject: bound, claims }: Binding, provider: Provider, who: Stranger): JsonObject[] {
  const chosen = Object.entries(claims ?? {}).map(([name, wanted]): [string, Json] => [name, chosenValue(wanted)]);
  const payload = { ...Object.fromEntries(chosen), ...provider.claims(who), aud: audience };
  return provider.subjects(who, bound.replace(/\*$/, "")).map((sub) => ({ ...payload, sub }));
}

describe.each(providers.map((provider) => [provider.preset, provider] as const))("a binding for %s", (id, provider) => {
  const preset = presets.find((one) => one.id === id);
  const issuer = preset?.issuers[0] ?? "";
  const rules = { publicUrl: audience, allowInsecure: false, maxTokenTtl: 3600 };
  const claim = fc.constantFrom(
    "environment",
    "ref",
    ...(preset?.anchors.claims ?? []),
    ...(preset?.anchors.paths ?? []),
  );
  const binding = fc
    .record({ subject, claims: fc.dictionary(claim, condition, { maxKeys: 2 }) })
    .map((terms) => makeBinding({ issuer, ...terms }));

  it("takes no token of a tenant who came later, if it was accepted without a word on who owns it", () => {
    fc.assert(
      fc.property(binding, stranger, (bound, who) => {
        fc.pre(bindingProblems(bound, rules).length === 0 && anchorProblem(bound, preset) === undefined);
        fc.pre(!presetWarnings(bound, preset).some((warning) => warning.includes("names nobody")));
        for (const forged of forgeries(bound, provider, who))
          expect(passes(bound, forged), String(forged.sub)).toBe(false);
      }),
      { numRuns: 1000, maxSkipsPerRun: 100 },
    );
  });

  it("would let them in without an anchor", () => {
    const open = fc
      .sample(binding, { numRuns: 2000, seed: 1 })
      .filter((bound) => anchorProblem(bound, preset) !== undefined);
    const who = { name: "zzstranger", id: "9912345678", uuid: acme.replace(/^.{8}/, "ffffffff") };
    const taken = open.filter((bound) => forgeries(bound, provider, who).some((forged) => passes(bound, forged)));
    // Google's subjects are numbers, so that no wildcard takes one.
    expect(taken.length > 0).toBe(id !== "google");
  });
});
