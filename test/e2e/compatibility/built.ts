import { existsSync } from "node:fs";
import { describe } from "vitest";
import { type BuiltRegistry, builtRegistry } from "../../support/built-registries.ts";

/** A suite with a registry that was built before the run, if its module could be had. */
export function describeBuilt(name: BuiltRegistry, suite: (program: string) => void): void {
  const program = builtRegistry(name);
  const title = existsSync(program) ? name : `(left out: ${name}, which the Go module proxy does not have)`;
  describe.skipIf(!existsSync(program))(title, () => suite(program));
}
