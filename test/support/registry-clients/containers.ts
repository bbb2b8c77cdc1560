import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Output, run } from "../run.ts";
import { type Account, configDigest, type Operations } from "./operations.ts";
import type { Seat } from "./seat.ts";

const PLAIN_HTTP = "--tls-verify=false";

type ContainersClient = "podman" | "buildah" | "skopeo";

const runAs =
  (client: ContainersClient) =>
  ({ environment, storage, directory }: Seat, ...args: string[]): Promise<Output> => {
    const before = { podman: [...storage, `--tmpdir=${join(directory, "podman")}`], buildah: storage, skopeo: [] };
    return run(client, [...before[client], ...args], { environment });
  };

const login =
  (client: ContainersClient) =>
  ({ environment }: Seat, host: string, { username, password }: Account): Promise<Output> =>
    run(client, ["login", PLAIN_HTTP, "--username", username, "--password-stdin", host], {
      environment,
      input: password,
    });

const runPodman = runAs("podman");
const runBuildah = runAs("buildah");
const runSkopeo = runAs("skopeo");

export const podman = {
  login: login("podman"),
  push: (seat, image) => runPodman(seat, "push", PLAIN_HTTP, seat.imageId, image),
  pull: async (seat, image) => `sha256:${(await runPodman(seat, "pull", "--quiet", PLAIN_HTTP, image)).stdout.trim()}`,
  async listTags(seat, repository) {
    const { stdout } = await runPodman(seat, "search", PLAIN_HTTP, "--list-tags", "--format=json", repository);
    return JSON.parse(stdout).flatMap(({ Tags }: { Tags: string[] }) => Tags);
  },
  async catalog(seat, host) {
    const { stdout } = await runPodman(seat, "search", PLAIN_HTTP, "--limit=100", "--format={{.Name}}", `${host}/`);
    const names = stdout.split("\n").filter((name) => name !== "");
    return names.map((name) => name.slice(host.length + 1));
  },
} satisfies Operations;

export const buildah = {
  login: login("buildah"),
  push: (seat, image) => runBuildah(seat, "push", PLAIN_HTTP, seat.imageId, image),
  pull: async (seat, image) =>
    `sha256:${(await runBuildah(seat, "pull", "--quiet", "--policy=always", PLAIN_HTTP, image)).stdout.trim()}`,
} satisfies Operations;

export const skopeo = {
  login: login("skopeo"),
  push: (seat, image) =>
    runSkopeo(seat, "copy", "--dest-tls-verify=false", `oci-archive:${seat.imageArchive}`, `docker://${image}`),
  async pull(seat, image) {
    const directory = join(seat.directory, randomUUID());
    await runSkopeo(seat, "copy", "--src-tls-verify=false", `docker://${image}`, `dir:${directory}`);
    return configDigest(await readFile(join(directory, "manifest.json"), "utf8"));
  },
  inspect: async (seat, image) =>
    configDigest((await runSkopeo(seat, "inspect", "--raw", PLAIN_HTTP, `docker://${image}`)).stdout),
  async listTags(seat, repository) {
    const { stdout } = await runSkopeo(seat, "list-tags", PLAIN_HTTP, `docker://${repository}`);
    return JSON.parse(stdout).Tags;
  },
  copy: (seat, from, to) =>
    runSkopeo(seat, "copy", "--src-tls-verify=false", "--dest-tls-verify=false", `docker://${from}`, `docker://${to}`),
  delete: (seat, image) => runSkopeo(seat, "delete", PLAIN_HTTP, `docker://${image}`),
} satisfies Operations;
