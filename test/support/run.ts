import { execFile } from "node:child_process";
import { promisify } from "node:util";

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  /** Added to what a program needs of this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** For its standard input. A credential goes in here: everyone on the machine sees arguments. */
  readonly input?: string;
  /** Where it runs; absent: where this process does. */
  readonly directory?: string;
}

/** A hung client is a failure, not a hung suite. */
const MAX_MILLISECONDS = 30_000;

/**
 * Runs a program to its end.
 *
 * @throws what `execFile` does, with `code` (the exit code), `stdout` and `stderr`
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Output> {
  const { PATH = "" } = process.env;
  const running = promisify(execFile)(command, args, {
    env: { PATH, ...options.environment },
    cwd: options.directory,
    timeout: MAX_MILLISECONDS,
    killSignal: "SIGKILL",
  });
  running.child.stdin?.end(options.input);
  return running;
}
