import type { Deps } from "../deps.ts";
import { formatRobotName, parseRobotName, type RobotName } from "../domain/names.ts";
import { type Grant, parseNarrowing } from "../domain/scope.ts";
import type { Secret } from "../domain/secret.ts";
import { epochSeconds } from "../platform.ts";
import { type BindingRecord, listBindings } from "../store/bindings.ts";
import type { LoginFacts } from "../store/login-facts.ts";
import type { Registry } from "../store/registries.ts";
import { isRevoked } from "../store/revoked-tokens.ts";
import { findRobot, type Robot } from "../store/robots.ts";
import { isOpaqueToken } from "../tokens/opaque-token.ts";
import { type RobotToken, type RobotTokenResult, verifyRefreshToken, verifyRobotToken } from "../tokens/robot-token.ts";
import { distrust } from "./judge.ts";

export interface Login {
  /** Absent with an identity token, which says itself whose it is. */
  readonly username?: string;
  readonly password: Secret;
}

/** A robot whose credential was good. */
export interface AuthenticatedRobot {
  readonly id: string;
  readonly name: RobotName;
  /** What it holds on the registry. */
  readonly held: readonly Grant[];
  /** What its token was narrowed to. */
  readonly narrowed?: readonly Grant[];
  /** The token that it came with, if that was a robot token. */
  readonly robotToken?: RobotToken;
}

export interface LoginRefusal {
  readonly code: "credential_unreadable" | "credential_invalid" | "credential_expired" | "credential_revoked";
  /** What the caller is told. */
  readonly detail: string;
}

type AuthenticateDeps = Pick<Deps, "config" | "clock" | "keys" | "recall" | "verdicts" | "sha256">;

/**
 * Whose a credential is: a robot token, a static one, or, where the registry has them, a refresh token of its.
 */
export async function authenticateRobot(
  deps: AuthenticateDeps,
  registry: Registry,
  login: Login,
): Promise<AuthenticatedRobot | LoginRefusal> {
  const named = login.username === undefined ? undefined : parseRobotName(login.username);
  if (login.username !== undefined && !named) {
    return { code: "credential_unreadable", detail: "The user name must be a robot's: organization+robot." };
  }
  const password = login.password.reveal();
  const robot = isOpaqueToken("robot", password)
    ? await authenticateByStaticToken(deps, registry, password)
    : await authenticateByRobotToken(deps, registry, login);
  if ("code" in robot) return robot;
  if (named && formatRobotName(named) !== formatRobotName(robot.name)) {
    return { code: "credential_invalid", detail: "The robot token is another robot's." };
  }
  return robot;
}

async function authenticateByStaticToken(
  { recall, clock, sha256 }: AuthenticateDeps,
  registry: Registry,
  password: string,
): Promise<AuthenticatedRobot | LoginRefusal> {
  const found = await recall.staticToken(await sha256(password));
  if (!found) {
    return {
      code: "credential_revoked",
      detail: "The robot's static token is not known here, or was ended: ask for a new one.",
    };
  }
  const { expiresAt, robot, organization } = found;
  if (expiresAt && expiresAt.getTime() <= clock.now()) {
    return {
      code: "credential_expired",
      detail: `The robot's static token expired at ${expiresAt.toISOString()}: ask for a new one.`,
    };
  }
  if (robot.disabled || organization.robotTokens === "never") return ended;
  const name = { organization: organization.name, robot: robot.name };
  const { robot: facts } = await recall.login({ name });
  if (facts?.robotId !== robot.id || facts.disabled) return ended;
  return { id: robot.id, name, held: heldOn(registry, facts) };
}

async function authenticateByRobotToken(
  deps: AuthenticateDeps,
  registry: Registry,
  login: Login,
): Promise<AuthenticatedRobot | LoginRefusal> {
  const verified = await verifyLogin(deps, registry, login);
  if (verified.ok) return (await findRobotOf(deps, registry, verified.token)) ?? ended;
  return verified.reason === "expired"
    ? {
        code: "credential_expired",
        detail: `The robot token expired at ${new Date(verified.exp * 1000).toISOString()}: exchange an OIDC token for a new one.`,
      }
    : { code: "credential_invalid", detail: "The password is no robot token of this service." };
}

async function verifyLogin(
  deps: AuthenticateDeps,
  { service, refreshTokens }: Registry,
  { username, password }: Login,
): Promise<RobotTokenResult> {
  const { config, clock, keys } = deps;
  const now = epochSeconds(clock);
  const verified = await verifyOnce(deps, password.reveal(), now);
  const mayBeRefreshToken = refreshTokens && username === undefined;
  if (verified.ok || verified.reason === "expired" || !mayBeRefreshToken) return verified;
  return verifyRefreshToken(password.reveal(), service, config, keys.robotTokenKey, now);
}

/** A good robot token is known by its hash from then on, as long as it is good and its key stands. */
async function verifyOnce(
  { config, keys, verdicts, sha256 }: AuthenticateDeps,
  compact: string,
  now: number,
): Promise<RobotTokenResult> {
  const hash = await sha256(compact);
  const known = verdicts.get(hash);
  if (known && now < known.exp && now >= known.nbf && (await keys.robotTokenKey(known.kid))) {
    return { ok: true, token: known };
  }
  const verified = await verifyRobotToken(compact, config, keys.robotTokenKey, now);
  if (verified.ok) verdicts.set(hash, verified.token);
  return verified;
}

const ended: LoginRefusal = {
  code: "credential_revoked",
  detail:
    "The robot token was ended: it was revoked, or its robot, its binding or its issuer was changed, disabled or deleted.",
};

async function findRobotOf(
  { config, recall }: AuthenticateDeps,
  registry: Registry,
  token: RobotToken,
): Promise<AuthenticatedRobot | undefined> {
  const { robot, revoked } = await recall.login({ name: token.robot, jti: token.jti });
  if (!robot || robot.disabled || revoked || token.epoch !== robot.epoch) return undefined;
  const binding = robot.bindings[token.bindingId];
  if (binding?.version !== token.bindingVersion || distrust({ config }, binding)) return undefined;
  const narrowing = token.scope === undefined ? undefined : parseNarrowing(token.scope, Number.POSITIVE_INFINITY);
  if (narrowing && !narrowing.ok) return undefined;
  return {
    id: robot.robotId,
    name: token.robot,
    held: heldOn(registry, robot),
    robotToken: token,
    ...(narrowing && { narrowed: narrowing.grants }),
  };
}

function heldOn({ id }: Registry, { grants }: LoginFacts): Grant[] {
  return grants.filter(({ registryId }) => registryId === id);
}

/** What a robot token rests on. */
export interface Standing {
  readonly robot: Robot;
  readonly binding: BindingRecord;
}

/** The robot and the binding of a verified token, while they, that version of the binding and its issuer stand. */
export async function findStanding(
  { config, db }: Pick<Deps, "config" | "db">,
  token: RobotToken,
): Promise<Standing | undefined> {
  const found = await findRobot(db, token.robot);
  if (!found || found.robot.disabled) return undefined;
  const [bindings, revoked] = await Promise.all([listBindings(db, found.robot.id), isRevoked(db, token.jti)]);
  const binding = bindings.find(({ id }) => id === token.bindingId);
  if (
    revoked ||
    token.epoch !== found.robot.tokenEpoch ||
    binding?.version !== token.bindingVersion ||
    distrust({ config }, { disabled: binding.issuerDisabled, registered: binding.issuerRegistered })
  ) {
    return undefined;
  }
  return { robot: found.robot, binding };
}
