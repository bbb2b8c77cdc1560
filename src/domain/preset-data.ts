import type { Preset } from "./preset.ts";
import { clusterPresets } from "./preset-data-clusters.ts";
import { githubPresets } from "./preset-data-github.ts";
import { identityPresets } from "./preset-data-identity.ts";
import { pipelinePresets } from "./preset-data-pipelines.ts";

/** Every provider that is known. An issuer's preset is the first whose form it has. */
export const presets: readonly Preset[] = [...githubPresets, ...pipelinePresets, ...clusterPresets, ...identityPresets];
