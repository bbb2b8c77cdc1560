import type { Binding } from "../../src/domain/binding.ts";
import { compileBinding } from "../../src/domain/compiled-binding.ts";
import { evaluate } from "../../src/domain/evaluate.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import type { Preset, PresetExample } from "../../src/domain/preset.ts";

/** A provider's tokens as it documents them: one of ours, and what differs in that of a stranger. */
export interface ProviderTokens {
  /** What stands in the places of the preset's example. */
  readonly values: Readonly<Record<string, string>>;
  readonly token: JsonObject;
  readonly stranger: JsonObject;
}

/** What this service asks for where nothing else is said. */
export const audience = "https://berth.example";

/** An example with values in the places of its placeholders. */
export function fillExample(example: PresetExample, values: ProviderTokens["values"]): PresetExample {
  const filled = JSON.stringify(example).replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`no value for {${name}}`);
    return value;
  });
  return JSON.parse(filled);
}

/** Whether a token passes by a binding for an issuer of this kind. */
export function passes(binding: Binding, token: JsonObject, preset?: Preset): boolean {
  const claims = { sub: String(token.sub), aud: [token.aud].flat().map(String), payload: token };
  return evaluate([compileBinding(binding)], claims, { audiences: [audience], clients: [], preset }, 1_800_000_000)
    .granted;
}
