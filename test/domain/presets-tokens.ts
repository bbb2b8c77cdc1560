import type { JsonObject } from "../../src/domain/json.ts";
import type { PresetExample } from "../../src/domain/presets.ts";

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
