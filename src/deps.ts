import type { Context } from "hono";
import type { Config } from "./config.ts";
import type { Cache } from "./domain/cache.ts";
import type { BindingCompiler } from "./domain/compiled-binding.ts";
import type { FailedKnocks } from "./domain/failed-knocks.ts";
import type { RefusalTally } from "./domain/refusal-tally.ts";
import type { Uses } from "./domain/uses.ts";
import type { IssuerKeys } from "./oidc/issuers.ts";
import type { IssuerFetch } from "./oidc/safe-fetch.ts";
import type { Clock, Limiter, Log, Metrics, Random, Tracing } from "./platform.ts";
import type { Recall } from "./services/recall.ts";
import type { Changes } from "./store/changes.ts";
import type { Db } from "./store/db.ts";
import type { ExchangeToGrant } from "./store/granted-exchanges.ts";
import type { Keys } from "./tokens/key-ring.ts";
import type { VerifiedRobotToken } from "./tokens/robot-token.ts";
import type { Sealer } from "./tokens/sealing.ts";

/** All that the service needs from the outside world. */
export interface Deps {
  readonly config: Config;
  readonly db: Db;
  readonly changes: Changes;
  readonly recall: Recall;
  /** @returns whether it was, and is on disk */
  readonly grantExchange: (exchange: ExchangeToGrant) => Promise<boolean>;
  /** Robot tokens whose signature was good, by their hashes. */
  readonly verdicts: Cache<VerifiedRobotToken>;
  readonly clock: Clock;
  /** SHA-256 of a text in base64url, as fast as the platform gives it. */
  readonly sha256: (text: string) => string | Promise<string>;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly limiter: Limiter;
  readonly refusalTally: RefusalTally;
  readonly failedKnocks: FailedKnocks;
  readonly uses: Uses;
  readonly fetch: IssuerFetch;
  /** Logins that another token server was asked about and has not answered, by the address that they came from. */
  readonly fallbacks: Map<string, number>;
  readonly issuerKeys: IssuerKeys;
  readonly keys: Keys;
  readonly sealer: Sealer;
  readonly compile: BindingCompiler;
  /** Whether the process is on its way to its end, and new work had better go elsewhere. */
  readonly isStopping: () => boolean;
  /** The address of whoever holds the other end of the connection, where the platform knows it. */
  readonly peerAddress: (context: Context) => string | undefined;
}
