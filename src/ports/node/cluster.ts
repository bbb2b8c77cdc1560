import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { relayMetrics } from "./metrics-cluster.ts";

/** Before a worker that ended by itself is replaced: one that ends at once must not be started in a loop. */
const PAUSE_MILLISECONDS = 1000;

/**
 * Serves by several processes that share a port: each is an instance of its own on one PostgreSQL, with its own
 * connections, memory and rate limits. One that ends by itself is replaced.
 *
 * @returns the exit code, once all have ended
 */
export async function serveByWorkers(count: number): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stopping.abort(signal));
  const stopRelaying = relayMetrics();
  try {
    // The first one finds out whether the settings are good, and prepares the database for all.
    const first = fork(stopping.signal);
    const code = await Promise.race([first.ended, once(first.worker, "listening").then(() => undefined)]);
    if (code !== undefined || stopping.signal.aborted) return first.ended;
    const others = Array.from({ length: count - 1 }, () => fork(stopping.signal));
    await Promise.all([first, ...others].map((one) => replaceUntil(stopping.signal, one)));
    return 0;
  } finally {
    stopRelaying();
  }
}

interface Forked {
  readonly worker: Worker;
  /** With its exit code; a signal counts as a failure. */
  readonly ended: Promise<number>;
}

function fork(stopping: AbortSignal): Forked {
  const worker = cluster.fork();
  const pass = () => worker.process.kill(stopping.reason);
  if (stopping.aborted) pass();
  stopping.addEventListener("abort", pass);
  const ended = once(worker, "exit").then(([code]) => {
    stopping.removeEventListener("abort", pass);
    return (code as number | null) ?? 1;
  });
  return { worker, ended };
}

async function replaceUntil(stopping: AbortSignal, first: Forked): Promise<void> {
  for (let { ended } = first; ; { ended } = fork(stopping)) {
    const code = await ended;
    if (stopping.aborted) return;
    process.stderr.write(`A worker ended by itself (${code}): another one takes its place.\n`);
    await delay(PAUSE_MILLISECONDS, undefined, { signal: stopping }).catch(() => {});
    if (stopping.aborted) return;
  }
}
