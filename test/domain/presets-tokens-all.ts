import type { ProviderTokens } from "./presets-tokens.ts";
import { clusterTokens } from "./presets-tokens-clusters.ts";
import { identityTokens } from "./presets-tokens-identity.ts";
import { pipelineTokens } from "./presets-tokens-pipelines.ts";

/** By the preset's id. */
export const providerTokens: Readonly<Record<string, ProviderTokens>> = {
  ...pipelineTokens,
  ...clusterTokens,
  ...identityTokens,
};
