import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pathOf } from "../support/requirements.ts";

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Images and containers in a store of their own, on any machine: without overlays and without an engine. */
export interface Buildah {
  /** A directory that goes with the store. */
  readonly directory: string;
  /** @returns what the command prints on its standard output */
  run(command: string, ...args: readonly string[]): Promise<string>;
  /** Starts a program in a container, as the image's user and with this machine's network. */
  start(container: string, environment: readonly string[], program: readonly string[]): ContainerProcess;
  remove(): Promise<void>;
}

export interface ContainerProcess {
  output(): string;
  /** Sends a signal to the program itself, as an engine would, and waits for its exit code. */
  end(signal: NodeJS.Signals): Promise<number>;
  /** Its exit code. */
  readonly ended: Promise<number>;
}

export async function openBuildah(): Promise<Buildah> {
  const directory = await mkdtemp(join(tmpdir(), "berth-image-"));
  const buildah = pathOf("buildah");
  const store = ["--storage-driver", "vfs", "--root", join(directory, "store"), "--runroot", join(directory, "run")];
  return {
    directory,
    async run(command, ...args) {
      const { stdout } = await promisify(execFile)(buildah, [...store, command, ...args], {
        maxBuffer: MAX_OUTPUT_BYTES,
      });
      return stdout.trim();
    },
    start(container, environment, program) {
      const variables = environment.flatMap((variable) => ["--env", variable]);
      const args = [...store, "run", "--isolation", "chroot", ...variables, container, "--", ...program];
      const child = spawn(buildah, args, { stdio: ["ignore", "pipe", "pipe"] });
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk) => {
          output += chunk;
        });
      }
      const ended = once(child, "close").then(([code]) => code as number);
      return {
        output: () => output,
        ended,
        async end(signal) {
          if (child.exitCode === null) process.kill(await innermost(child.pid as number), signal);
          return ended;
        },
      };
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The program at the end of the chain of processes that buildah starts it through. */
async function innermost(pid: number): Promise<number> {
  const [child] = await childrenOf(pid);
  return child === undefined ? pid : innermost(child);
}

/** Of all its threads: any of them may have started one. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, "utf8")));
  return lists.flatMap((list) => list.split(" ").filter(Boolean).map(Number));
}
