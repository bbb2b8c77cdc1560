import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";

/** A server that is a program of its own. */
export interface Daemon {
  /** What it wrote so far, on both streams. */
  output(): string;
  stop(): Promise<void>;
}

const START_MILLISECONDS = 15_000;
const STOP_MILLISECONDS = 5_000;

/**
 * Starts a server that stays in the foreground, and waits until it listens.
 *
 * @param address a port of loopback, or the path of a socket
 */
export async function startDaemon(command: string, args: readonly string[], address: number | string): Promise<Daemon> {
  const { PATH = "" } = process.env;
  const child = spawn(command, args, { env: { PATH }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const ended = once(child, "exit").then(([code, signal]) => `it ended with ${code ?? signal}`, String);
  // A test run can be killed, and then no code of ours ends the server. But the guard's input ends with this process.
  const guard = spawn("sh", ["-c", 'read _; kill -KILL "$1"', "guard", String(child.pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });

  const stop = async () => {
    guard.kill("SIGKILL");
    child.kill("SIGTERM");
    const patience = setTimeout(() => child.kill("SIGKILL"), STOP_MILLISECONDS);
    await ended;
    clearTimeout(patience);
  };
  const problem = await Promise.race([ended, untilListening(address)]);
  if (problem) {
    await stop();
    throw new Error(`${command} did not start: ${problem}\n${output}`);
  }
  return { output: () => output, stop };
}

async function untilListening(address: number | string): Promise<string | undefined> {
  const deadline = Date.now() + START_MILLISECONDS;
  while (!(await accepts(address))) {
    if (Date.now() > deadline) return "it does not listen";
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return undefined;
}

function accepts(address: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof address === "string" ? connect(address) : connect(address, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
