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
  const wait = await deps.limiter.take(bucketOf(network), rateLimits.loginFailuresPerAddress);
  putRecent(deps.failedKnocks, attempt, { method, at: now, wait }, limits.rates.knocks);
  return wait;
}

/** Whether logins fail too often from there to ask anybody else about one more: seconds to wait, else 0. */
export async function loginWait(deps: LimitDeps, clientAddress: string | undefined): Promise<number> {
  const { rateLimits } = deps.config;
  const network = networkOf(deps, clientAddress);
  if (!rateLimits || network === undefined) return 0;
  return deps.limiter.peek(bucketOf(network), rateLimits.loginFailuresPerAddress);
}

function bucketOf(network: string): string {
  return `logins:${network}`;
}
