import { describe, expect, it } from "vitest";
import { bindingProblems, bindingWarnings } from "../../src/domain/binding.ts";
import type { PresetExample } from "../../src/domain/preset.ts";
import { anchorProblem, presetOf, presets, presetWarnings } from "../../src/domain/presets.ts";
import { codeBlocks } from "../support/documentation.ts";
import { makeTerms } from "../support/terms.ts";
import { audience, fillExample } from "./presets-tokens.ts";
import { providerTokens } from "./presets-tokens-all.ts";

const page = new URL("../../docs/presets.md", import.meta.url);
const rules = { publicUrl: audience, allowInsecure: false, maxTokenTtl: 3600 };

describe.each(presets.map((preset) => [preset.name, preset] as const))("the page on %s", (name, preset) => {
  it("gives bindings that are accepted without a warning, and the preset's own example among them", async () => {
    const bindings: PresetExample[] = (await codeBlocks(page, name, "json")).map((block) => JSON.parse(block));
    expect(bindings).toContainEqual(fillExample(preset.example, providerTokens[preset.id]?.values ?? {}));
    for (const binding of bindings) {
      expect(preset.issuers.length > 0 ? presetOf(binding.issuer) : preset).toBe(preset);
      const terms = makeTerms(binding);
      expect([bindingProblems(terms, rules), anchorProblem(terms, preset)]).toEqual([[], undefined]);
      expect([...bindingWarnings(terms), ...presetWarnings(terms, preset)]).toEqual([]);
    }
  });
});
