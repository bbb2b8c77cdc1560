import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { promisify } from "node:util";

const home = join(homedir(), ".cache", "berth", "registries");

/** The commands to build, at the versions that the suite runs. */
const commands = {
  "distribution-v3.0.0": "github.com/distribution/distribution/v3/cmd/registry@v3.0.0",
  "distribution-v3.1.2": "github.com/distribution/distribution/v3/cmd/registry@v3.1.2",
  "zot-v2.1.20": "zotregistry.dev/zot/v2/cmd/zot@v2.1.20",
};

export type BuiltRegistry = keyof typeof commands;

/** Where a registry's program is, if it could be had. */
export function builtRegistry(name: BuiltRegistry): string {
  return join(home, name);
}

/**
 * Builds what is not there yet. What the module proxy does not have is left out, and its suite says so; what
 * does not build stops the run.
 */
export default async function buildRegistries(): Promise<void> {
  await mkdir(home, { recursive: true });
  for (const [name, command] of Object.entries(commands)) {
    const program = join(home, name);
    if (existsSync(program)) continue;
    console.log(`Building ${name}: some minutes, once.`);
    const directory = await mkdtemp(join(home, "build-"));
    try {
      await install(command, directory);
      await rename(join(directory, basename(command.slice(0, command.indexOf("@")))), program);
    } catch (error) {
      const reason = reasonOf(error);
      if (!NOT_THERE.test(reason)) throw new Error(`${name} could not be built: ${reason}`, { cause: error });
      console.log(`The Go module proxy does not have ${command}:\n${reason}`);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** How Go tells that a module cannot be downloaded. */
const NOT_THERE = /: reading https?:.*: (403|404|410) |not available/;

async function install(command: string, directory: string): Promise<void> {
  const environment = {
    ...process.env,
    PATH: [process.env.PATH, "/usr/local/go/bin"].join(delimiter),
    GOBIN: directory,
    CGO_ENABLED: "0",
    // zot's code wants it.
    GOEXPERIMENT: "jsonv2",
  };
  await promisify(execFile)("go", ["install", command], { env: environment, cwd: home, maxBuffer: MAX_OUTPUT });
}

const MAX_OUTPUT = 64 * 1024 * 1024;

function reasonOf(error: unknown): string {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") {
    return "there is no Go here. Install Go 1.26 or newer from https://go.dev/dl and have `go` on the PATH.";
  }
  return error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
}
