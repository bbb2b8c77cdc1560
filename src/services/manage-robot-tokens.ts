import type { Deps } from "../deps.ts";
import { formatRobotName, type RobotName } from "../domain/names.ts";
import { limits } from "../limits.ts";
import { patiently } from "../store/alone.ts";
import { findDefaultRegistry, findRegistry } from "../store/registries.ts";
import type { Robot } from "../store/robots.ts";
import { deleteStaticTokens, expireStaticTokens, listStaticTokens } from "../store/static-tokens.ts";
import type { Actor } from "./actor.ts";
import { getOrganizationToKeep } from "./manage-organizations.ts";
import { getRobot, getRobotToChange } from "./manage-robots.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { claim, once } from "./once.ts";
import { recordChange } from "./record-change.ts";
import { type IssuedStaticToken, issueStaticToken } from "./static-tokens.ts";

export interface RegenerateRequest {
  /** Absent: never. */
  readonly expiresAt?: Date | undefined;
  /** How long the tokens that there are stay good; 0: they end now. */
  readonly keepOldSeconds: number;
  /** The `service` of the registry that the token is to be used at; absent: the default registry. */
  readonly registry?: string | undefined;
}

export interface RegeneratedToken {
  readonly robot: Robot;
  /** Absent where the request was carried out before. */
  readonly issued?: IssuedStaticToken;
  /** Where clients reach the registry: a host with or without a port. */
  readonly host: string;
}

/** Gives a robot a new static token, and ends those that it has, now or when the overlap is over. */
export async function regenerateRobotToken(
  deps: Pick<Deps, "db" | "clock" | "random">,
  actor: Actor,
  name: RobotName,
  { expiresAt, keepOldSeconds, registry }: RegenerateRequest,
): Promise<RegeneratedToken> {
  const now = deps.clock.now();
  const make = () =>
    patiently(deps.db, name.organization, async (tx) => {
      const organization = await getOrganizationToKeep(tx, actor, name.organization, "member");
      const robot = await getRobotToChange(tx, actor, name, "makers");
      if (expiresAt && expiresAt.getTime() <= now) {
        refuseProblems([{ path: ["expires_at"], message: "must lie in the future" }]);
      }
      if (organization.robotTokens === "never") {
        throw new ManagementError(
          "conflict",
          `The organization ${organization.name} has robot_tokens "never": bind the robot to an issuer of OIDC tokens, or change that setting first.`,
        );
      }
      const host = await hostOf(tx, registry);
      await claim(deps, tx, actor, robot.id);
      if (keepOldSeconds > 0) await keepOld(tx, robot, now, keepOldSeconds);
      else await deleteStaticTokens(tx, robot.id);
      const issued = await issueStaticToken(deps, tx, actor, robot.id, expiresAt ?? null);
      await recordChange(deps, tx, actor, {
        kind: "regenerate_robot_token",
        robot: name,
        metadata: {
          token_id: issued.id,
          expires_at: issued.expiresAt?.toISOString() ?? null,
          keep_old_seconds: keepOldSeconds,
        },
      });
      return { robot, issued, host };
    });
  return once(make, async (robotId) => {
    const robot = await getRobot(deps, actor, name);
    if (robot.id !== robotId) throw notFound(`robot ${formatRobotName(name)} any more that this request was about`);
    return { robot, host: await hostOf(deps.db, registry) };
  });
}

/** Ends all static tokens of a robot, if it has any. */
export async function deleteRobotTokens(
  deps: Pick<Deps, "db" | "clock" | "random">,
  actor: Actor,
  name: RobotName,
): Promise<void> {
  await patiently(deps.db, name.organization, async (tx) => {
    const robot = await getRobotToChange(tx, actor, name, "makers");
    const ended = await deleteStaticTokens(tx, robot.id);
    await recordChange(deps, tx, actor, { kind: "delete_robot_token", robot: name, metadata: { ended } });
  });
}

async function hostOf(tx: Deps["db"], service: string | undefined): Promise<string> {
  const registry = await (service === undefined ? findDefaultRegistry(tx) : findRegistry(tx, service));
  if (!registry) {
    throw new ManagementError("invalid", "registry is no registry of this service", [
      { path: ["registry"], message: "is no registry of this service" },
    ]);
  }
  return registry.host ?? registry.service;
}

async function keepOld(tx: Deps["db"], robot: Robot, now: number, seconds: number): Promise<void> {
  await expireStaticTokens(tx, robot.id, new Date(now + seconds * 1000));
  const tokens = await listStaticTokens(tx, robot.id);
  const good = tokens.filter(({ expiresAt }) => expiresAt !== null && expiresAt.getTime() > now);
  if (good.length >= limits.staticTokens.perRobot) {
    throw new ManagementError(
      "conflict",
      `The robot has ${good.length} good tokens, and more would go unseen: leave keep_old_seconds out, which ends them, or wait until some have ended.`,
    );
  }
}
