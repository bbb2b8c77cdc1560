import ipaddr from "ipaddr.js";
import type { Deps } from "../deps.ts";
import type { Refusal } from "../domain/refusal.ts";

type LimitDeps = Pick<Deps, "config" | "limiter">;

/**
 * Whether an address may try. Before a signature is verified nothing but the address counts: whoever knows
 * a robot's name must not be able to lock it out.
 */
export async function limitAddress(deps: LimitDeps, address: string | undefined): Promise<Refusal | undefined> {
  const { rateLimits } = deps.config;
  const network = networkOf(deps, address);
  if (!rateLimits || network === undefined) return undefined;
  const blocked = await deps.limiter.peek(`refusals:${network}`, rateLimits.refusalsPerAddress);
  const wait = blocked || (await deps.limiter.take(`address:${network}`, rateLimits.exchangesPerAddress));
  return wait > 0 ? { code: "rate_limited", by: "address", retryAfter: wait } : undefined;
}

export async function countRefusal(deps: LimitDeps, address: string | undefined): Promise<void> {
  const { rateLimits } = deps.config;
  const network = networkOf(deps, address);
  if (rateLimits && network !== undefined) {
    await deps.limiter.take(`refusals:${network}`, rateLimits.refusalsPerAddress);
  }
}

/** Whether the robot and the issuer of a verified token may do one more. */
export async function limitVerified(
  { config: { rateLimits }, limiter }: LimitDeps,
  { robotId, issuerId }: { readonly robotId: string; readonly issuerId: string },
): Promise<Refusal | undefined> {
  if (!rateLimits) return undefined;
  const robotWait = await limiter.take(`robot:${robotId}`, rateLimits.exchangesPerRobot);
  if (robotWait > 0) return { code: "rate_limited", by: "robot", retryAfter: robotWait };
  const issuerWait = await limiter.take(`issuer:${issuerId}`, rateLimits.exchangesPerIssuer);
  return issuerWait > 0 ? { code: "rate_limited", by: "issuer", retryAfter: issuerWait } : undefined;
}

/** What counts as one address; `undefined` for one that is exempt. An IPv6 host has a /64 to itself. */
function networkOf({ config }: LimitDeps, address: string | undefined): string | undefined {
  if (address === undefined) return "unknown";
  const parsed = ipaddr.parse(address);
  const exempt = config.rateLimits?.exempt.some((cidr) => {
    const [range, bits] = ipaddr.parseCIDR(cidr);
    return range.kind() === parsed.kind() && parsed.match(range, bits);
  });
  if (exempt) return undefined;
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(":") : address;
}
