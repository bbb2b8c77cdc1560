import type { Deps } from "../deps.ts";
import { type Access, isSameAccess, narrow, type OrganizationRole } from "../domain/access.ts";
import { formatRobotName } from "../domain/names.ts";
import type { Secret } from "../domain/secret.ts";
import { epochSeconds } from "../platform.ts";
import type { Db } from "../store/db.ts";
import {
  type ApiToken,
  findApiToken,
  holdApiToken,
  listRolesOf,
  type PrincipalByToken,
  touchApiToken,
} from "../store/principals.ts";
import { verifyRobotToken } from "../tokens/robot-token.ts";
import { sha256 } from "../tokens/signing-key.ts";
import type { Actor } from "./actor.ts";
import { findStanding } from "./authenticate-robot.ts";
import { ManagementError } from "./management-error.ts";

type AuthenticateDeps = Pick<Deps, "config" | "db" | "clock" | "keys">;
/** Of an actor, what its credential tells. */
export type Authenticated = Pick<Actor, "id" | "name" | "access" | "token" | "stands">;

const TOUCH_MILLISECONDS = 60_000;

/**
 * Whose an API token is, or a robot token that opens the management API.
 *
 * @throws {ManagementError} when it is nobody's, or has ended
 */
export async function authenticateActor(deps: AuthenticateDeps, secret: Secret): Promise<Authenticated> {
  const credential = secret.reveal();
  const found = await findApiToken(deps.db, await sha256(credential));
  if (found) return authenticatePrincipal(deps, found);
  const isJwt = credential.split(".").length === 3;
  return isJwt ? authenticateRobot(deps, credential) : refuse("The API token is not known here, or was ended.");
}

async function authenticatePrincipal({ db, clock }: AuthenticateDeps, found: PrincipalByToken): Promise<Authenticated> {
  const { principal, token } = found;
  const now = clock.now();
  if (hasExpired(token, now)) refuse(`The API token expired at ${token.expiresAt?.toISOString()}: ask for a new one.`);
  if (!token.lastUsed || token.lastUsed.getTime() < now - TOUCH_MILLISECONDS) {
    await touchApiToken(db, token.id, new Date(now));
  }
  const access = await accessOf(db, found);
  const stands = async (tx: Db) => {
    const still = await holdApiToken(tx, token.id);
    return (
      still !== undefined && !hasExpired(still.token, clock.now()) && isSameAccess(await accessOf(tx, still), access)
    );
  };
  return { id: principal.id, name: principal.name, access, token, stands };
}

function hasExpired({ expiresAt }: ApiToken, now: number): boolean {
  return expiresAt !== null && expiresAt.getTime() <= now;
}

async function accessOf(db: Db, { principal, token }: PrincipalByToken): Promise<Access> {
  const roles = new Map<string, OrganizationRole>(await listRolesOf(db, principal.id));
  const superUser = principal.superUser || (principal.superReader && ("read_only" as const));
  return narrow({ superUser, roles }, token);
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
  const { role } = robot;
  const stands = async (tx: Db) => (await findStanding({ ...deps, db: tx }, verified.token))?.robot.role === role;
  return {
    id: robot.id,
    name,
    stands,
    access: { superUser: false, roles: new Map([[robot.organizationId, role]]) },
    token: { readOnly: false, organizationIds: null, expiresAt: new Date(verified.token.exp * 1000) },
  };
}

function refuse(message: string): never {
  throw new ManagementError("unauthenticated", message);
}
