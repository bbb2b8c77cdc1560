import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Environment } from "../../src/environment.ts";
import { berthProgram } from "./built-berth.ts";

/** `berth serve` as a process of its own. */
export interface BerthProcess {
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Sends a signal and waits for the end: the exit code, or the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
  /** How it ended by itself. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/**
 * Starts it and waits until it listens.
 *
 * @param source the folder of another version
 */
export async function spawnBerth(environment: Environment, source?: string): Promise<BerthProcess> {
  const berth = launchBerth(environment, ["serve"], source);
  const listening = new Promise<void>((resolve, reject) => {
    const poll = setInterval(() => {
      if (!berth.stdout().includes('"message":"listening"')) return;
      clearInterval(poll);
      resolve();
    }, 20);
    berth.ended.then((how) => {
      clearInterval(poll);
      reject(new Error(`it ended with ${how} before it listened: ${berth.stderr()}`));
    });
  });
  await listening;
  return berth;
}

/** Starts it, or another command of `berth`, and waits for nothing. */
export function launchBerth(
  environment: Environment,
  command: readonly string[] = ["serve"],
  source?: string,
): BerthProcess {
  const { PATH } = process.env;
  const child: ChildProcess = spawn(process.execPath, [berthProgram(source), ...command], {
    env: { PATH, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}
