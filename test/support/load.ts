import { setTimeout as sleep } from "node:timers/promises";
import type { ApiAnswer } from "./berth.ts";

/** What became of one request. */
export interface Outcome {
  readonly kind: string;
  /** Epoch milliseconds. */
  readonly sentAt: number;
  readonly milliseconds: number;
  /** Absent: there was none. */
  readonly answer?: ApiAnswer;
  readonly error?: unknown;
}

export interface Load {
  /** So far. */
  readonly outcomes: readonly Outcome[];
  /** Waits for what is under way. */
  stop(): Promise<readonly Outcome[]>;
}

/**
 * Keeps asking, each kind of request by as many clients, one request after the other.
 *
 * @param pauseMilliseconds of a client, between an answer and its next request
 */
export function startLoad(
  requests: Readonly<Record<string, () => Promise<ApiAnswer>>>,
  { clients = 2, pauseMilliseconds = 5 } = {},
): Load {
  const outcomes: Outcome[] = [];
  let stopped = false;
  const client = async (kind: string, request: () => Promise<ApiAnswer>) => {
    while (!stopped) {
      const sentAt = Date.now();
      const result = await request().then(
        (answer) => ({ answer }),
        (error: unknown) => ({ error }),
      );
      outcomes.push({ kind, sentAt, milliseconds: Date.now() - sentAt, ...result });
      await sleep(pauseMilliseconds);
    }
  };
  const running = Object.entries(requests).flatMap(([kind, request]) =>
    Array.from({ length: clients }, () => client(kind, request)),
  );
  return {
    outcomes,
    async stop() {
      stopped = true;
      await Promise.all(running);
      return outcomes;
    },
  };
}

/** How many had which status, such as `{ "exchange 200": 12 }`. */
export function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind, answer, error } of outcomes) {
    const what = `${kind} ${answer?.status ?? `no answer: ${rootOf(error)}`}`;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

/** The nearest-rank percentile of how long they took. */
export function percentile(outcomes: readonly Outcome[], part: number): number {
  const sorted = outcomes.map(({ milliseconds }) => milliseconds).sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
}

export function slowest(outcomes: readonly Outcome[]): number {
  return percentile(outcomes, 1);
}

function rootOf(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  return root instanceof Error && "code" in root ? String(root.code) : String(root);
}
