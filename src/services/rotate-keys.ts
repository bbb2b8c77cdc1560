import type { Deps } from "../deps.ts";
import { limits } from "../limits.ts";
import { epochSeconds } from "../platform.ts";
import { inTurn } from "../store/alone.ts";
import type { Registry } from "../store/registries.ts";
import { type BroughtAuthority, readAuthority } from "../tokens/brought-authority.ts";
import { type Actor, requireStanding, requireSuperUser } from "./actor.ts";
import { type KeyLife, openKeyLife } from "./key-life.ts";
import { type KnownRegistry, know, requireRegistry } from "./manage-registries.ts";
import { ManagementError, refuseProblems } from "./management-error.ts";
import { recordChange } from "./record-change.ts";

type RotateDeps = Pick<Deps, "db" | "clock" | "random" | "sealer" | "keys">;

/** What is to be turned of a registry's keys. */
export interface Rotation {
  /** `true`: its authority goes too; an authority of the operator's becomes the next one. */
  readonly authority?: boolean | BroughtAuthority;
  /** All keys end at once, with no overlap. */
  readonly compromised?: boolean;
  /** The registry was restarted since its next key was published, whenever that was. */
  readonly force?: boolean;
}

export async function rotateRegistryKeys(
  deps: RotateDeps,
  actor: Actor,
  service: string,
  rotation: Rotation,
): Promise<KnownRegistry> {
  requireSuperUser(actor);
  const { authority = false, compromised = false } = rotation;
  const brought = typeof authority === "object" ? await readAuthority(authority, epochSeconds(deps.clock)) : undefined;
  if (brought && !brought.ok) refuseProblems([brought.problem]);
  if (compromised && authority) {
    refuseProblems([{ path: ["authority"], message: "goes with compromised anyway: send one of the two" }]);
  }

  const known = await inTurn(deps.db, async (tx) => {
    await requireStanding(tx, actor);
    const registry = await requireRegistry(tx, service);
    const life = await openKeyLife(tx, deps);
    if (compromised) await life.revoke(registry);
    else if (brought?.ok) await bring(life, registry, brought);
    else if (authority) await turnAuthority(life, registry, rotation);
    else await turnSigningKey(life, registry, rotation);
    await recordChange(deps, tx, actor, {
      kind: "rotate_keys",
      metadata: { service, authority: brought ? "brought" : authority === true, compromised },
    });
    return know(deps, tx, registry);
  });
  await deps.keys.reload();
  return known;
}

async function bring(
  life: KeyLife,
  registry: Registry,
  { pair, certificate }: Extract<Awaited<ReturnType<typeof readAuthority>>, { ok: true }>,
): Promise<void> {
  refuseWithoutAuthority(life, registry);
  await life.bringAuthority(registry, pair, certificate);
}

async function turnAuthority(life: KeyLife, registry: Registry, { force }: Rotation): Promise<void> {
  refuseWithoutAuthority(life, registry);
  refuseUnknown(life, registry, "registry_authority", force);
  await life.rotateAuthority(registry);
}

async function turnSigningKey(life: KeyLife, registry: Registry, { force }: Rotation): Promise<void> {
  refuseUnknown(life, registry, "registry_token", force);
  await life.rotateSigningKey(registry);
}

function refuseWithoutAuthority(life: KeyLife, registry: Registry): void {
  if (life.hasAuthority(registry)) return;
  throw new ManagementError(
    "conflict",
    "The registry's key profile is kid, which has no authority: rotate without authority.",
  );
}

/** A registry that does not know the next key would refuse all that it signs. */
function refuseUnknown(
  life: KeyLife,
  registry: Registry,
  purpose: "registry_authority" | "registry_token",
  force = false,
): void {
  const since = force ? undefined : life.unknownSince(registry, purpose);
  if (!since) return;
  const until = new Date(since.getTime() + limits.keys.leadSeconds * 1000);
  throw new ManagementError(
    "conflict",
    `The next key was published at ${since.toISOString()}, and a registry that was started before that does not know it. Give the registry the present certs.pem or jwks.json, restart it, then send {"force": true}; or rotate after ${until.toISOString()}.`,
  );
}

/** Turns the key of robot tokens. Compromised, all robot tokens end at once. */
export async function rotateRobotTokenKey(deps: RotateDeps, actor: Actor, compromised: boolean): Promise<string> {
  requireSuperUser(actor);
  await inTurn(deps.db, async (tx) => {
    await requireStanding(tx, actor);
    const life = await openKeyLife(tx, deps);
    await (compromised ? life.revoke(undefined) : life.rotateRobotTokenKey());
    await recordChange(deps, tx, actor, { kind: "rotate_keys", metadata: { compromised } });
  });
  await deps.keys.reload();
  return (await (await deps.keys.robotToken()).signing()).kid;
}
