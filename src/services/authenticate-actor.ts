import type { Deps } from "../deps.ts";
import { narrow, type OrganizationRole } from "../domain/access.ts";
import { formatRobotName } from "../domain/names.ts";
import { epochSeconds } from "../platform.ts";
import { findApiToken, listRolesOf, type PrincipalByToken, touchApiToken } from "../store/principals.ts";
import { verifyRobotToken } from "../tokens/robot-token.ts";
import { sha256 } from "../tokens/signing-key.ts";
import type { Actor } from "./actor.ts";
import { findStanding } from "./authenticate-robot.ts";
import { ManagementError } from "./management-error.ts";

type AuthenticateDeps = Pick<Deps, "config" | "db" | "clock" | "keys">;
/** Of an actor, what its credential tells. */
export type Authenticated = Pick<Actor, "id" | "name" | "access" | "token">;

const TOUCH_MILLISECONDS = 60_000;

/**
 * Whose an API token is, or a robot token that opens the management API.
 *
 * @throws {ManagementError} when it is nobody's, or has ended
 */
export async function authenticateActor(deps: AuthenticateDeps, credential: string): Promise<Authenticated> {
  const found = await findApiToken(deps.db, await sha256(credential));
  if (found) return authenticatePrincipal(deps, found);
  const isJwt = credential.split(".").length === 3;
  return isJwt ? authenticateRobot(deps, credential) : refuse("The API token is not known here, or was ended.");
}

async function authenticatePrincipal(
  { db, clock }: AuthenticateDeps,
  { principal, token }: PrincipalByToken,
): Promise<Authenticated> {
  const now = clock.now();
  if (token.expiresAt && token.expiresAt.getTime() <= now) {
    refuse(`The API token expired at ${token.expiresAt.toISOString()}: ask for a new one.`);
  }
  if (!token.lastUsed || token.lastUsed.getTime() < now - TOUCH_MILLISECONDS) {
    await touchApiToken(db, token.id, new Date(now));
  }
  const roles = new Map<string, OrganizationRole>(await listRolesOf(db, principal.id));
  const superUser = principal.superUser || (principal.superReader && ("read_only" as const));
  return { id: principal.id, name: principal.name, access: narrow({ superUser, roles }, token), token };
}

async function authenticateRobot(deps: AuthenticateDeps, credential: string): Promise<Authenticated> {
  const verified = await verifyRobotToken(credential, deps.config, deps.keys.robotTokenKey, epochSeconds(deps.clock));
  if (!verified.ok) {
    return refuse(
      verified.reason === "expired"
        ? `The robot token expired at ${new Date(verified.exp * 1000).toISOString()}: exchange an OIDC token for a new one.`
        : "The token is neither an API token nor a robot token of this service.",
    );
  }
  const standing = await findStanding(deps, verified.token);
  if (!standing) {
    return refuse(
      "The robot token was ended: it was revoked, or its robot, its binding or its issuer was changed, disabled or deleted.",
    );
  }
  const { robot, binding } = standing;
  const name = formatRobotName(verified.token.robot);
  if (!binding.api || !verified.token.api) {
    return refuse(
      binding.api
        ? 'The robot token was narrowed by the "scope" of its exchange, and opens registries alone: exchange without one.'
        : 'The robot token opens registries alone: the binding that minted it does not say "api": true.',
    );
  }
  if (robot.role === null) {
    throw new ManagementError(
      "forbidden",
      `The robot ${name} holds no role: an admin gives it one by PUT /api/v1/organization/${verified.token.robot.organization}/members/${name}.`,
    );
  }
  return {
    id: robot.id,
    name,
    access: { superUser: false, roles: new Map([[robot.organizationId, robot.role]]) },
    token: { readOnly: false, organizationIds: null, expiresAt: new Date(verified.token.exp * 1000) },
  };
}

function refuse(message: string): never {
  throw new ManagementError("unauthenticated", message);
}
