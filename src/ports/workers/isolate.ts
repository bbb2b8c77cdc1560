import type { Config } from "../../config.ts";
import type { Deps } from "../../deps.ts";
import { type BindingCompiler, createBindingCompiler } from "../../domain/compiled-binding.ts";
import type { FailedKnocks } from "../../domain/failed-knocks.ts";
import { createRefusalTally, type RefusalTally } from "../../domain/refusal-tally.ts";
import type { Uses } from "../../domain/uses.ts";
import type { IssuerMemory } from "../../oidc/issuers.ts";
import type { Clock, Limiter, Log } from "../../platform.ts";
import { createKeyMemory, type KeyMemory } from "../../services/key-ring.ts";
import { createLimiter } from "../../services/limiter.ts";
import { createRecallMemory, createVerdicts, type RecallMemory } from "../../services/recall-memory.ts";
import { createSealer, type Sealer } from "../../tokens/sealing.ts";
import { createLog, warnOfRisks } from "../log.ts";
import { type Bindings, readBindings } from "./bindings.ts";
import type { Pauses } from "./shared-limiter.ts";

/**
 * What an isolate keeps from one request to the next: values alone. A connection, a fetch, or a promise
 * that waits for one belongs to the request that made it, and is of no use to another.
 */
export interface Isolate {
  readonly config: Config;
  readonly log: Log;
  readonly sealer: Sealer;
  readonly keys: KeyMemory;
  readonly recall: RecallMemory;
  readonly verdicts: Deps["verdicts"];
  readonly issuers: IssuerMemory;
  readonly compile: BindingCompiler;
  readonly limiter: Limiter;
  readonly pauses: Pauses;
  readonly refusalTally: RefusalTally;
  readonly failedKnocks: FailedKnocks;
  readonly named: Uses["named"];
}

export const clock: Clock = { now: () => Date.now() };
// biome-ignore lint/suspicious/noConsole: it is the platform's log
export const writeLine = (line: string) => console.log(line);

/** @throws {ConfigError} */
export async function openIsolate(bindings: Bindings): Promise<Isolate> {
  const config = readBindings(bindings);
  const log = createLog(config.logLevel, writeLine);
  warnOfRisks(config, log);
  const { proxy, tracing } = config;
  for (const [name, setting] of Object.entries({ HTTPS_PROXY: proxy, OTEL_EXPORTER_OTLP_ENDPOINT: tracing })) {
    if (setting) log.warn(`${name} is set, and has no effect on this platform`);
  }
  return {
    config,
    log,
    sealer: await createSealer(config.secretKeys ?? []),
    keys: createKeyMemory(),
    recall: createRecallMemory(),
    verdicts: createVerdicts(),
    issuers: new Map(),
    compile: createBindingCompiler(),
    limiter: createLimiter(clock),
    pauses: new Map(),
    refusalTally: createRefusalTally(),
    failedKnocks: new Map(),
    named: new Map(),
  };
}
