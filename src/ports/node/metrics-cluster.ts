import cluster, { type Worker } from "node:cluster";
import { unite } from "./exposition.ts";
import type { NodeMetricsOptions } from "./metrics.ts";
import type { Figures } from "./tally.ts";

/** A scrape waits no longer than this for a worker that is busy, or frozen. */
const PATIENCE_MILLISECONDS = 1000;

/** What primary and workers tell each other; `id` is that of whoever began. */
type Message =
  | { readonly berth: "gather"; readonly id: number }
  | { readonly berth: "gathered"; readonly id: number; readonly processes: readonly Figures[] }
  | { readonly berth: "tell"; readonly id: number }
  | { readonly berth: "told"; readonly id: number; readonly figures: Figures };

/** One time that all workers are asked. */
interface Round {
  readonly waitingFor: Set<number>;
  readonly processes: Figures[];
  finish(): void;
}

/** Of a worker that ended just now: its figures of before count. */
const ignore = () => {};

/**
 * For the primary of a cluster: whichever worker is asked for the figures gets those of all. What a worker had
 * counted when it was last asked stays while it is silent and after its end, since a sum that falls looks like a
 * service that started anew.
 *
 * @returns a function that ends it
 */
export function relayMetrics(): () => void {
  const rounds = new Map<number, Round>();
  const latest = new Map<number, Figures>();
  let ofEnded: Figures = [];
  let burials = Promise.resolve();
  let serial = 0;

  function begin(asking: Worker, id: number): void {
    serial += 1;
    const own = serial;
    const finish = () => {
      clearTimeout(timer);
      rounds.delete(own);
      const silent = Array.from(round.waitingFor, (worker) => latest.get(worker) ?? []);
      const processes = [...round.processes, ...silent, ofEnded].filter((figures) => figures.length > 0);
      if (asking.isConnected()) asking.send({ berth: "gathered", id, processes } satisfies Message, ignore);
    };
    const timer = setTimeout(finish, PATIENCE_MILLISECONDS);
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker?.isConnected()) as Worker[];
    const round: Round = { waitingFor: new Set(workers.map((worker) => worker.id)), processes: [], finish };
    rounds.set(own, round);
    for (const worker of workers) worker.send({ berth: "tell", id: own } satisfies Message, ignore);
  }

  function settle(worker: Worker, round: Round | undefined): void {
    if (round?.waitingFor.delete(worker.id) && round.waitingFor.size === 0) round.finish();
  }

  const hear = (worker: Worker, message: Message) => {
    if (message?.berth === "gather") begin(worker, message.id);
    if (message?.berth !== "told") return;
    latest.set(worker.id, message.figures);
    const round = rounds.get(message.id);
    round?.processes.push(message.figures);
    settle(worker, round);
  };
  const keep = async (worker: Worker) => {
    const last = latest.get(worker.id) ?? [];
    latest.delete(worker.id);
    const counted = last.filter(({ type }) => type === "counter" || type === "histogram");
    ofEnded = await unite([ofEnded, counted]);
  };
  const bury = (worker: Worker) => {
    burials = burials
      .then(() => keep(worker))
      .then(() => {
        for (const round of [...rounds.values()]) settle(worker, round);
      })
      .catch(ignore);
  };
  cluster.on("message", hear).on("exit", bury);
  return () => cluster.off("message", hear).off("exit", bury);
}

/**
 * For a worker: how it comes by the figures of all. Without a primary that relays them, those of its own are all.
 *
 * @param figures those of this process
 */
export const gatherFromPrimary: NonNullable<NodeMetricsOptions["share"]> = (figures) => {
  const waiting = new Map<number, (processes: readonly Figures[]) => void>();
  let serial = 0;
  process.on("message", async (message: Message) => {
    if (message?.berth === "tell") {
      process.send?.({ berth: "told", id: message.id, figures: await figures() } satisfies Message);
    }
    if (message?.berth === "gathered") waiting.get(message.id)?.(message.processes);
  });
  return async () => {
    serial += 1;
    const id = serial;
    const gathered = Promise.withResolvers<readonly Figures[]>();
    waiting.set(id, gathered.resolve);
    const timer = setTimeout(async () => gathered.resolve([await figures()]), 2 * PATIENCE_MILLISECONDS);
    process.send?.({ berth: "gather", id } satisfies Message);
    const processes = await gathered.promise;
    clearTimeout(timer);
    waiting.delete(id);
    return processes;
  };
};
