import { type ChildProcess, execFile, spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createTestHarness } from "wrangler";

const root = fileURLToPath(new URL("../..", import.meta.url));
const configPath = join(root, "wrangler.toml");
const wrangler = join(root, "node_modules", "wrangler", "bin", "wrangler.js");

/** No telemetry, no look for updates, no question to the network where this machine stands. */
const QUIET = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_WRITE_LOGS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

/** What would be uploaded. */
export interface WorkerBundle {
  readonly directory: string;
  readonly code: Buffer;
  /** The packages of npm that are in it. */
  readonly packages: ReadonlySet<string>;
  /** What it imports from the platform. */
  readonly imports: ReadonlySet<string>;
}

/** Builds the Worker as a deployment does, into a directory. */
export async function buildWorker(directory: string): Promise<WorkerBundle> {
  const metafile = join(directory, "metafile.json");
  await promisify(execFile)(
    process.execPath,
    [wrangler, "deploy", "--dry-run", "--config", configPath, "--outdir", directory, "--metafile", metafile],
    { cwd: directory, env: { ...QUIET, XDG_CONFIG_HOME: directory } },
  );
  const code = await readFile(join(directory, "workers.js"));
  const { outputs } = JSON.parse(await readFile(metafile, "utf8")) as Metafile;
  const parts = Object.values(outputs);
  const sources = parts.flatMap(({ inputs }) => Object.keys(inputs));
  return {
    directory,
    code,
    packages: new Set(sources.flatMap((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? [])),
    imports: new Set(parts.flatMap(({ imports }) => imports.map(({ path }) => path))),
  };
}

interface Metafile {
  readonly outputs: Readonly<
    Record<
      string,
      { readonly inputs: Readonly<Record<string, unknown>>; readonly imports: readonly { readonly path: string }[] }
    >
  >;
}

/** A built Worker in Cloudflare's own runtime. */
export interface TestWorker {
  readonly url: string;
  /** What it logged so far, each line parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: events have fields of their own
  log(): readonly any[];
  /** Does the scheduled work now. */
  maintain(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestWorkerOptions {
  readonly bundle: WorkerBundle;
  /** Where Hyperdrive leads. */
  readonly databaseUrl: string;
  readonly vars?: Readonly<Record<string, string | boolean>>;
  readonly secrets?: Readonly<Record<string, string>>;
}

export async function startWorker({ bundle, databaseUrl, vars, secrets }: TestWorkerOptions): Promise<TestWorker> {
  Object.assign(process.env, QUIET, {
    XDG_CONFIG_HOME: bundle.directory,
    CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE: databaseUrl,
  });
  const harness = createTestHarness({
    workers: [{ configPath, prebuiltWorkerDir: bundle.directory, vars: { ...vars }, secrets: { ...secrets } }],
  });
  const release = guardRuntime();
  const stop = async () => {
    await harness.close();
    release();
  };
  const { url } = await harness.listen().catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    url: url.origin,
    // The runtime tells of connections that fail at another level.
    log: () => harness.getLogs().flatMap(({ level, message }) => (level === "log" ? [JSON.parse(message)] : [])),
    maintain: async () => {
      const { outcome } = await harness.getWorker().scheduled({ cron: "0 * * * *" });
      if (outcome !== "ok") throw new Error(`the scheduled work ended with ${outcome}`);
    },
    stop,
  };
}

/**
 * Ends the runtimes started from here with this process, even if it is killed: each has a guard, whose input
 * ends then.
 *
 * @returns a function that lets the guards go
 */
function guardRuntime(): () => void {
  const guards: ChildProcess[] = [];
  const note = (message: unknown) => {
    const child = (message as { process: ChildProcess }).process;
    child.once("spawn", () => {
      if (basename(child.spawnfile) !== "workerd") return;
      const args = ["-c", 'read _; kill -KILL "$1"', "guard", String(child.pid)];
      guards.push(spawn("sh", args, { stdio: ["pipe", "ignore", "ignore"], detached: true }));
    });
  };
  subscribe("child_process", note);
  return () => {
    unsubscribe("child_process", note);
    for (const guard of guards) guard.kill("SIGKILL");
  };
}
