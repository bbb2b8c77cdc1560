import { type Access, isAtLeast, type Narrowing, type OrganizationRole, roleIn } from "../domain/access.ts";
import type { Db } from "../store/db.ts";
import type { RequestOrigin } from "./audit.ts";
import { ManagementError, notFound } from "./management-error.ts";

/** Who asks, from where, and on which condition. */
export interface Actor extends RequestOrigin {
  /** Of the principal, or of the robot. */
  readonly id: string;
  /** The principal's name, or `org+robot`. */
  readonly name: string;
  readonly access: Access;
  /** The credential that it came with. */
  readonly token: ActorToken;
  /** Whether that credential still opens the same; within a transaction, until that ends. */
  readonly stands: (db: Db) => Promise<boolean>;
  /** `If-Match` of the request: entity tags, one of which what is changed must have; absent: it may have any. */
  readonly ifMatch?: readonly string[] | "*";
  /** `Idempotency-Key` of the request. */
  readonly idempotency?: IdempotencyKey;
}

export interface ActorToken extends Narrowing {
  /** Of an API token. */
  readonly id?: string;
  readonly expiresAt: Date | null;
}

/** Hashes of the key, and of the request that it came with. */
export interface IdempotencyKey {
  readonly keyHash: string;
  readonly requestHash: string;
}

/** @throws {ManagementError} unless all may be changed */
export function requireSuperUser({ access }: Actor): void {
  if (access.superUser !== true) throw new ManagementError("forbidden", "Only a superuser may do this.");
}

/** @throws {ManagementError} unless all may be seen */
export function requireSuperReader({ access }: Actor): void {
  if (!access.superUser) {
    throw new ManagementError("forbidden", "Only a superuser, or a read-only one, may see this.");
  }
}

/**
 * To be asked in every transaction that changes something, once it waits for nobody: a request may have been
 * under way for long when its token is ended, or its role taken away.
 *
 * @throws {ManagementError}
 */
export async function requireStanding(tx: Db, actor: Actor): Promise<void> {
  if (await actor.stands(tx)) return;
  throw new ManagementError(
    "unauthenticated",
    "The token was ended, or what it opens was changed, while the request was under way.",
  );
}

interface Named {
  readonly id: string;
  readonly name: string;
}

/**
 * What is not the actor's to know of is not there.
 *
 * @throws {ManagementError} unless it holds that role, or a greater one
 */
export function requireRole(actor: Actor, organization: Named, needed: OrganizationRole): void {
  const role = roleIn(actor.access, organization.id);
  if (role === undefined) throw notFound(`organization ${organization.name}`);
  if (!isAtLeast(role, needed)) {
    throw new ManagementError(
      "forbidden",
      `This needs the role ${needed} in the organization ${organization.name}; ${actor.name} has ${role} with this token.`,
    );
  }
}

interface MadeRobot extends Named {
  readonly creatorId: string | null;
  readonly role: OrganizationRole | null;
}

/**
 * Admins may change every robot's bindings and tokens; members, those of the robots that they made, unless a
 * robot may do more than they.
 *
 * @throws {ManagementError}
 */
export function requireMaker(actor: Actor, organization: Named, robot: MadeRobot): void {
  requireRole(actor, organization, "member");
  const role = roleIn(actor.access, organization.id);
  if (role === "admin") return;
  if (robot.creatorId !== actor.id) {
    throw new ManagementError(
      "forbidden",
      `${actor.name} did not make the robot ${robot.name}: a member may change those that it made, an admin of ${organization.name} all.`,
    );
  }
  if (robot.role !== null && !isAtLeast(role, robot.role)) {
    throw new ManagementError(
      "forbidden",
      `The robot ${robot.name} is ${robot.role} of ${organization.name}, which is more than ${actor.name} is: only an admin may change it.`,
    );
  }
}
