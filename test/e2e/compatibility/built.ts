import { existsSync } from "node:fs";
import { describe } from "vitest";
import { type BuiltRegistry, builtRegistry } from "../../support/built-registries.ts";
import type { RegistryKind } from "../../support/registry-kinds.ts";
import { describeCompatibility } from "./cases.ts";

/** The same cases with a registry that was built before the run, if its module could be had. */
export function describeBuilt(name: BuiltRegistry, kindOf: (program: string) => RegistryKind): void {
  const program = builtRegistry(name);
  const title = existsSync(program) ? name : `${name} (left out: the Go module proxy does not have it)`;
  describe.skipIf(!existsSync(program))(title, () => describeCompatibility([], () => kindOf(program)));
}
