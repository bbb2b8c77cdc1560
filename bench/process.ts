import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Environment } from "../src/environment.ts";
import { freePort } from "../test/support/free-port.ts";

/** A server in a process of its own, so that it shares no event loop with the load. */
export interface ServerProcess {
  readonly url: string;
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
    await delay(50);
  }
  return {
    url,
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
