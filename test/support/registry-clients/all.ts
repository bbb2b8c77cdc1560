import { spawnSync } from "node:child_process";
import { containerd } from "./containerd.ts";
import { buildah, podman, skopeo } from "./containers.ts";
import { curl } from "./curl.ts";
import { docker } from "./docker.ts";
import type { Operations } from "./operations.ts";

export const registryClients = { podman, skopeo, buildah, docker, containerd, curl } satisfies Record<
  string,
  Operations
>;

export type RegistryClientName = keyof typeof registryClients;

/** Such as 4.3: what a client does hardly changes with the third figure. */
export function programVersion(program: string): string {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return /\d+\.\d+/.exec(stdout)?.[0] ?? "unknown";
}
