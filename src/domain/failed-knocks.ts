/** Failed logins that may be the first half of an attempt, by a hash of what was tried. Values alone. */
export type FailedKnocks = Map<string, FailedKnock>;

export interface FailedKnock {
  /** Of HTTP. */
  readonly method: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Seconds that the caller was told to wait; 0 for none. */
  readonly wait: number;
}
