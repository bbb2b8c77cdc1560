import type { Binding } from "../domain/binding.ts";
import { type CompiledBinding, compileBinding } from "../domain/compiled-binding.ts";
import { limits } from "../limits.ts";

/** Gives bindings ready to judge tokens. */
export type BindingCompiler = (binding: Binding) => CompiledBinding;

/** Compiles each version of a binding once: what decides never changes within one. */
export function createBindingCompiler(): BindingCompiler {
  const compiled = new Map<string, CompiledBinding>();

  return (binding) => {
    const key = `${binding.id} ${binding.version}`;
    const known = compiled.get(key) ?? compileBinding(binding);
    compiled.delete(key);
    compiled.set(key, known);
    if (compiled.size > limits.binding.compiled) {
      const oldest = compiled.keys().next();
      if (!oldest.done) compiled.delete(oldest.value);
    }
    return known;
  };
}
