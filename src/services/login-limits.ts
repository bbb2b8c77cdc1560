import type { Deps } from "../deps.ts";
import { putRecent } from "../domain/recent.ts";
import { limits } from "../limits.ts";
import { sha256 } from "../tokens/signing-key.ts";
import type { Login } from "./authenticate-robot.ts";
import { networkOf } from "./exchange-limits.ts";

type LimitDeps = Pick<Deps, "config" | "clock" | "limiter" | "failedKnocks">;

/** Where a login failed. */
export interface FailedLogin {
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
export async function countFailedLogin(
  deps: LimitDeps,
  { clientAddress, method, login }: FailedLogin,
): Promise<number> {
  const { rateLimits } = deps.config;
  const network = networkOf(deps, clientAddress);
  if (!rateLimits || network === undefined) return 0;
  const attempt = await sha256(JSON.stringify([network, login.username ?? "", login.password.reveal()]));
  const now = deps.clock.now();
  const first = deps.failedKnocks.get(attempt);
  if (first && first.method !== method && Math.abs(now - first.at) < limits.rates.secondKnockSeconds * 1000) {
    deps.failedKnocks.delete(attempt);
    return first.wait;
  }
  const wait = await deps.limiter.take(`logins:${network}`, rateLimits.loginFailuresPerAddress);
  putRecent(deps.failedKnocks, attempt, { method, at: now, wait }, limits.rates.knocks);
  return wait;
}

/** A try of a person's password, which may be guessed: counted before another token server is asked about it. */
export interface GuessedLogin {
  /** Seconds to wait, once too many failed; else 0. */
  readonly wait: number;
  /** To be called when the password was right, or was not even looked at. */
  forgive(): Promise<void>;
}

/**
 * Counts a try by the name that it is for, and by the address: one person's outdated password keeps no
 * neighbour out, and many names cannot be tried with one password.
 */
export async function countGuess(
  deps: LimitDeps,
  clientAddress: string | undefined,
  username: string,
): Promise<GuessedLogin> {
  const { rateLimits } = deps.config;
  const network = networkOf(deps, clientAddress);
  if (!rateLimits || network === undefined) return { wait: 0, forgive: async () => {} };
  const perName = rateLimits.loginFailuresPerAddress;
  const buckets = [
    { bucket: `guesses:${network}`, perMinute: perName * limits.rates.guessedNames },
    { bucket: `guesses:${network}:${await sha256(username)}`, perMinute: perName },
  ];
  const taken: typeof buckets = [];
  const forgive = async () => {
    for (const { bucket, perMinute } of taken.splice(0)) await deps.limiter.giveBack(bucket, perMinute);
  };
  for (const one of buckets) {
    const wait = await deps.limiter.take(one.bucket, one.perMinute);
    if (wait > 0) {
      await forgive();
      return { wait, forgive };
    }
    taken.push(one);
  }
  return { wait: 0, forgive };
}
