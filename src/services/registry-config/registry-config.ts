import { compose } from "./compose.ts";
import { distribution, env } from "./distribution.ts";
import type { RegistryFacts } from "./facts.ts";
import { kubernetes } from "./kubernetes.ts";
import { zot } from "./zot.ts";

export const registryConfigFormats = ["distribution", "zot", "compose", "kubernetes", "env"] as const;

export type RegistryConfigFormat = (typeof registryConfigFormats)[number];

interface RegistryConfig {
  readonly contentType: string;
  readonly body: string;
}

/**
 * What makes a registry trust its tokens, ready to use. Ask for `zot` with the `kid` profile alone: it knows one
 * key, and neither `x5c` nor `kid`.
 *
 * @see https://distribution.github.io/distribution/about/configuration/#token
 * @see https://zotregistry.dev/latest/articles/authn-authz/
 */
export function registryConfig(format: RegistryConfigFormat, facts: RegistryFacts): RegistryConfig {
  switch (format) {
    case "distribution":
      return { contentType: YAML, body: distribution(facts) };
    case "zot":
      return { contentType: "application/json", body: zot(facts) };
    case "compose":
      return { contentType: YAML, body: compose(facts) };
    case "kubernetes":
      return { contentType: YAML, body: kubernetes(facts) };
    case "env":
      return { contentType: "text/plain; charset=utf-8", body: env(facts) };
  }
}

/** RFC 9512. */
const YAML = "application/yaml";
