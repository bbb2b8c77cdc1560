import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon } from "./daemon.ts";
import { type Output, run } from "./run.ts";

/** A containerd of one test's own, which shares nothing with one that the machine may run. */
export interface TestContainerd {
  /** Runs its client on it. */
  ctr(...args: string[]): Promise<Output>;
  remove(): Promise<void>;
}

/** What would start more programs, write outside its directory, or needs a kernel of its liking. */
const NEEDLESS_PLUGINS = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.restart",
  "io.containerd.runtime.v1.linux",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.overlayfs",
  "io.containerd.snapshotter.v1.zfs",
];

export async function startContainerd(): Promise<TestContainerd> {
  const directory = await mkdtemp(join(tmpdir(), "berth-containerd-"));
  const inDirectory = (name: string) => JSON.stringify(join(directory, name));
  const socket = join(directory, "containerd.sock");
  const configFile = join(directory, "config.toml");
  const removeData = () => rm(directory, { recursive: true, force: true });
  // What a TOML file says of text and lists, JSON says alike.
  const config = [
    "version = 2",
    `root = ${inDirectory("root")}`,
    `state = ${inDirectory("state")}`,
    `disabled_plugins = ${JSON.stringify(NEEDLESS_PLUGINS)}`,
    `grpc = { address = ${JSON.stringify(socket)} }`,
  ];
  try {
    await writeFile(configFile, config.join("\n"));
    const daemon = await startDaemon("containerd", ["--config", configFile, "--log-level", "warn"], socket);
    return {
      ctr: (...args) =>
        run("ctr", ["--address", socket, ...args], { environment: { CONTAINERD_SNAPSHOTTER: "native" } }),
      async remove() {
        await daemon.stop();
        await removeData();
      },
    };
  } catch (error) {
    await removeData();
    throw error;
  }
}
