/** What every platform gives: the time, randomness and a log. Nothing else may ask for them by itself. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}

export interface Random {
  /** Version 7, so that what is made later sorts later. */
  uuid(): string;
}

export interface Limiter {
  /**
   * Takes one from a bucket that holds a minute's worth and fills up again evenly.
   *
   * @returns seconds to wait until there is one; 0 when it was taken
   */
  take(bucket: string, perMinute: number): Promise<number>;
  /** The same, and leaves it there. */
  peek(bucket: string, perMinute: number): Promise<number>;
  /** Puts back one that was taken. */
  giveBack(bucket: string, perMinute: number): Promise<void>;
}

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export function epochSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

/** What is counted and timed, for whoever watches the service. No label is anything that a caller made up. */
export interface Metrics {
  /** An exchange that was answered: `reason` is `granted`, or the code of its refusal. */
  exchange(outcome: Outcome, reason: string): void;
  /** The same for a registry token; `service` is empty where no registry of that name is. */
  registryToken(outcome: Outcome, reason: string, service: string): void;
  /** Somebody had to wait for that bucket. */
  rateLimited(by: string): void;
  /** An issuer was asked for its keys: `success`, or the code of the refusal that this becomes. */
  keyFetch(outcome: string, seconds: number): void;
  cacheLookup(cache: string, hit: boolean): void;
  /** Begins to time a request; what it returns ends that. */
  startRequest(): (method: string, route: string, status: number) => void;
  /** All figures, as Prometheus reads them; absent where the platform keeps none. */
  readonly page?: (format: MetricsFormat) => Promise<MetricsPage>;
}

/** `failed`: through no fault of the caller's. */
export type Outcome = "granted" | "refused" | "failed";
export type MetricsFormat = "prometheus" | "openmetrics";

export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

const nothing = () => {};

/** For a platform that keeps no figures. */
export const noMetrics: Metrics = {
  exchange: nothing,
  registryToken: nothing,
  rateLimited: nothing,
  keyFetch: nothing,
  cacheLookup: nothing,
  startRequest: () => nothing,
};

/** How requests are told apart and together, here and at whoever called. */
export interface Tracing {
  /** Answers a request within its trace: the caller's, where it brings a good `traceparent`. */
  request(request: TracedRequest, work: () => Promise<void>): Promise<void>;
}

export interface TracedRequest {
  readonly id: string;
  readonly method: string;
  /** The header, as it came. */
  readonly traceparent: string | undefined;
  /** What is known of it once it is answered. */
  answered(): { readonly route: string; readonly status: number };
}

/** For a platform that has traces of its own. */
export const noTracing: Tracing = { request: (_, work) => work() };
