import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Environment } from "../src/environment.ts";
import { freePort } from "../test/support/free-port.ts";

/** A server in a process of its own, so that it shares no event loop with the load. */
export interface ServerProcess {
  readonly url: string;
  /** Seconds from the start until it answered. */
  readonly readyAfter: number;
  /** Bytes in memory now. */
  resident(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts a script that serves on `PORT`, and waits until `readyPath` answers. */
export async function startServerProcess(
  script: URL,
  parameters: readonly string[],
  readyPath: string,
  environment: Environment,
): Promise<ServerProcess> {
  const port = await freePort();
  const startedAt = performance.now();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [fileURLToPath(script), ...parameters], {
    env: { ...process.env, ...environment, PORT: String(port) },
    // A log line for each request is part of a server's work; to read them would be work of the load's.
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(child, "exit");
  const kill = () => child.kill();
  process.once("exit", kill);
  while (!(await answers(`${url}${readyPath}`))) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${script.pathname} did not start`);
    await delay(10);
  }
  const readyAfter = (performance.now() - startedAt) / 1000;
  return {
    url,
    readyAfter,
    async resident() {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return Number(/^VmRSS:\s+([0-9]+) kB/m.exec(status)?.[1]) * 1024;
    },
    async stop() {
      process.off("exit", kill);
      kill();
      await exited;
    },
  };
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}
