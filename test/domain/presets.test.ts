import { describe, expect, it } from "vitest";
import { bindingProblems, bindingWarnings } from "../../src/domain/binding.ts";
import type { Preset } from "../../src/domain/preset.ts";
import { anchorProblem, presetOf, presets, presetWarnings } from "../../src/domain/presets.ts";
import { namesTenant } from "../../src/domain/tenant-form.ts";
import { makeBinding } from "../support/terms.ts";
import { audience, fillExample, passes } from "./presets-tokens.ts";
import { providerTokens } from "./presets-tokens-all.ts";

const rules = { publicUrl: audience, allowInsecure: false, maxTokenTtl: 3600 };

function tokensOf({ id }: Preset) {
  const tokens = providerTokens[id];
  if (!tokens) throw new Error(`no tokens for ${id}`);
  return tokens;
}

function bindingOf(preset: Preset) {
  return makeBinding(fillExample(preset.example, tokensOf(preset).values));
}

describe("presets", () => {
  it("have ids of their own, and tokens here", () => {
    const ids = presets.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.keys(providerTokens).sort()).toEqual(ids.toSorted());
  });

  it("use a token once where each use has one of its own, with an id", () => {
    expect(presets.filter(({ replayProtection }) => replayProtection).map(({ id }) => id)).toEqual([
      "github-actions",
      "github-enterprise-cloud",
      "github-enterprise-server",
    ]);
    for (const preset of presets.filter(({ replayProtection }) => replayProtection)) {
      expect(tokensOf(preset).token.jti).toBeTypeOf("string");
    }
  });

  it("know who shares an issuer with strangers", () => {
    expect(presets.filter(({ shared }) => shared).map(({ id }) => id)).toEqual([
      "github-actions",
      "codeberg",
      "gitlab",
      "circleci-root",
      "buildkite",
      "google",
    ]);
    for (const preset of presets.filter(({ shared }) => shared)) {
      expect(preset.issuers, preset.id).toEqual([preset.example.issuer]);
      expect([...preset.anchors.claims, ...preset.anchors.paths], preset.id).not.toEqual([]);
    }
  });

  it("keep no claim that names a person", () => {
    const kept = presets.flatMap(({ claims }) => claims);
    expect(kept.filter((claim) => /actor|user|email|login|^name$|sub|jti/.test(claim))).toEqual([]);
  });

  it("write the forms of a subject with nothing that a pattern would read", () => {
    for (const form of presets.flatMap(({ anchors }) => anchors.subjects)) {
      expect(form).toMatch(/^[a-z_:/]*\{(?:name|id|uuid)\}(?:[a-z_:/@]|\{(?:id|uuid)\})*[:/]$/);
    }
  });

  it("would name nobody by a form with a placeholder that is not known", () => {
    expect(namesTenant("repo:acme/", "repo:{owner}/")).toBe(false);
    expect(namesTenant("repo:/", "repo:{owner}/")).toBe(false);
  });

  it("link to https pages", () => {
    for (const { documentation } of presets) expect(new URL(documentation).protocol).toBe("https:");
  });
});

describe.each(presets.map((preset) => [preset.name, preset] as const))("%s", (_, preset) => {
  it("is known by its issuer, or else by its id", () => {
    const { issuer } = bindingOf(preset);
    expect(presetOf(issuer)).toBe(preset.issuers.length > 0 ? preset : undefined);
    expect(presetOf(issuer, preset.id)).toBe(preset);
    expect(tokensOf(preset).token.iss).toBe(issuer);
  });

  it("has an example that is accepted as it stands", () => {
    const binding = bindingOf(preset);
    expect(bindingProblems(binding, rules)).toEqual([]);
    expect(anchorProblem(binding, preset)).toBeUndefined();
    expect([...bindingWarnings(binding), ...presetWarnings(binding, preset)]).toEqual([]);
  });

  it("has an example that takes its own token and no stranger's", () => {
    const { token, stranger } = tokensOf(preset);
    expect(passes(bindingOf(preset), token, preset)).toBe(true);
    expect(passes(bindingOf(preset), { ...token, ...stranger }, preset)).toBe(false);
  });

  it("has an example for this service alone", () => {
    const { token } = tokensOf(preset);
    expect(passes(bindingOf(preset), { ...token, aud: "https://another.example" }, preset)).toBe(false);
  });
});
