import ipaddr from "ipaddr.js";
import type { Deps } from "../deps.ts";
import { isWithin } from "../domain/networks.ts";
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

/** Whose bucket a verified token counts in. An issuer that organizations share has one for each of them. */
export interface Counted {
  readonly organizationId: string;
  readonly robotId: string;
  readonly issuerId: string;
}

/** Whether the robot and the issuer of a verified token may do one more. */
export async function limitVerified({ config, limiter }: LimitDeps, counted: Counted): Promise<Refusal | undefined> {
  for (const { by, bucket, perMinute } of bucketsOf(config, counted)) {
    const wait = await limiter.peek(bucket, perMinute);
    if (wait > 0) return { code: "rate_limited", by, retryAfter: wait };
  }
  return undefined;
}

/** Only what was granted counts: a token that was used up must not keep the robot's next one out. */
export async function countGranted({ config, limiter }: LimitDeps, counted: Counted): Promise<void> {
  for (const { bucket, perMinute } of bucketsOf(config, counted)) await limiter.take(bucket, perMinute);
}

function bucketsOf({ rateLimits }: LimitDeps["config"], { organizationId, robotId, issuerId }: Counted) {
  if (!rateLimits) return [];
  return [
    { by: "robot", bucket: `robot:${robotId}`, perMinute: rateLimits.exchangesPerRobot },
    { by: "issuer", bucket: `issuer:${organizationId}:${issuerId}`, perMinute: rateLimits.exchangesPerIssuer },
  ] as const;
}

/** What counts as one address; `undefined` for one that is exempt. An IPv6 host has a /64 to itself. */
export function networkOf({ config }: LimitDeps, address: string | undefined): string | undefined {
  if (address === undefined) return "unknown";
  if (isWithin(address, config.rateLimits?.exempt ?? [])) return undefined;
  const parsed = ipaddr.parse(address);
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(":") : address;
}
