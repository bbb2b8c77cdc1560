import type { Deps } from "../deps.ts";
import type { FailedKnock } from "../domain/failed-knocks.ts";
import { putRecent } from "../domain/recent.ts";
import { limits } from "../limits.ts";
import { sha256 } from "../tokens/signing-key.ts";
import type { Login } from "./authenticate-robot.ts";
import { networkOf } from "./exchange-limits.ts";

type LimitDeps = Pick<Deps, "config" | "clock" | "limiter" | "failedKnocks">;

export interface LoginAttempt {
  readonly clientAddress: string | undefined;
  /** Of HTTP. */
  readonly method: string;
  readonly login: Login;
}

/**
 * Counts a failed login. Clients that know both of the token endpoint's methods try the one after the other:
 * the same credential by the other method a moment later is the same attempt.
 *
 * @returns seconds to wait, once there were too many; else 0
 */
export async function countFailedLogin(deps: LimitDeps, attempt: LoginAttempt): Promise<number> {
  const { rateLimits } = deps.config;
  const network = networkOf(deps, attempt.clientAddress);
  if (!rateLimits || network === undefined) return 0;
  const key = await keyOf(network, attempt);
  const first = takeFirstKnock(deps, key, attempt.method);
  if (first) return first.wait;
  const wait = await deps.limiter.take(`logins:${network}`, rateLimits.loginFailuresPerAddress);
  rememberKnock(deps, key, attempt.method, wait);
  return wait;
}

/** A try of a person's password, which may be guessed: counted before another token server is asked about it. */
export interface GuessedLogin {
  /** Seconds to wait, once too many failed; else 0. */
  readonly wait: number;
  /** The password was right, or was not even looked at. */
  forgive(): Promise<void>;
  /** It was wrong: the same by the other method is no other try. */
  keep(): void;
}

const UNCOUNTED: GuessedLogin = { wait: 0, forgive: async () => {}, keep: () => {} };

/**
 * Counts a try by the name that it is for, and by the address: one person's outdated password keeps no
 * neighbour out, and many names cannot be tried with one password.
 */
export async function countGuess(deps: LimitDeps, attempt: LoginAttempt): Promise<GuessedLogin> {
  const { rateLimits } = deps.config;
  const network = networkOf(deps, attempt.clientAddress);
  if (!rateLimits || network === undefined) return UNCOUNTED;
  const key = await keyOf(network, attempt);
  const first = takeFirstKnock(deps, key, attempt.method);
  if (first) return { ...UNCOUNTED, wait: first.wait };

  const perName = rateLimits.loginFailuresPerAddress;
  const name = await sha256(attempt.login.username ?? "");
  const buckets = [
    { bucket: `guesses:${network}`, perMinute: perName * limits.rates.guessedNames },
    { bucket: `guesses:${network}:${name}`, perMinute: perName },
  ];
  const taken: typeof buckets = [];
  const forgive = async () => {
    for (const { bucket, perMinute } of taken.splice(0)) await deps.limiter.giveBack(bucket, perMinute);
  };
  for (const one of buckets) {
    const wait = await deps.limiter.take(one.bucket, one.perMinute);
    if (wait > 0) {
      await forgive();
      return { ...UNCOUNTED, wait };
    }
    taken.push(one);
  }
  return { wait: 0, forgive, keep: () => rememberKnock(deps, key, attempt.method, 0) };
}

function keyOf(network: string, { login }: LoginAttempt): Promise<string> {
  return sha256(JSON.stringify([network, login.username ?? "", login.password.reveal()]));
}

/** The first half of an attempt that this is the second of; the next one is another. */
function takeFirstKnock({ clock, failedKnocks }: LimitDeps, key: string, method: string): FailedKnock | undefined {
  const first = failedKnocks.get(key);
  const together = first && Math.abs(clock.now() - first.at) < limits.rates.secondKnockSeconds * 1000;
  if (!together || first.method === method) return undefined;
  failedKnocks.delete(key);
  return first;
}

function rememberKnock({ clock, failedKnocks }: LimitDeps, key: string, method: string, wait: number): void {
  putRecent(failedKnocks, key, { method, at: clock.now(), wait }, limits.rates.knocks);
}
