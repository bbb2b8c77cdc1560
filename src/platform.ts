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
