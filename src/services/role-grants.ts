import type { Deps } from "../deps.ts";
import { type Role, roleActions } from "../domain/role.ts";
import { limits } from "../limits.ts";
import { UnpreparedError } from "../store/db.ts";
import { type GrantRow, listGrants, putRepositoryGrant } from "../store/grants.ts";
import { findDefaultRegistry, type Registry } from "../store/registries.ts";
import { ManagementError } from "./management-error.ts";

/** The one registry that Quay's clients know of. */
export async function getDefaultRegistry(db: Deps["db"]): Promise<Registry> {
  const registry = await findDefaultRegistry(db);
  if (!registry) throw new UnpreparedError("there is no default registry");
  return registry;
}

/**
 * Puts a role in the place of a robot's grant by exactly that pattern, which keeps its id.
 *
 * @throws {ManagementError} when the robot holds as many grants as one may
 */
export async function putRole(
  tx: Deps["db"],
  grant: Pick<GrantRow, "id" | "robotId" | "registryId" | "pattern">,
  role: Role,
): Promise<void> {
  await putRepositoryGrant(tx, { ...grant, actions: [...roleActions[role]] });
  if ((await listGrants(tx, grant.robotId)).length > limits.grantsPerRobot) {
    throw new ManagementError(
      "conflict",
      `The robot has ${limits.grantsPerRobot} grants already: a prefix ending in /* can stand for many of them.`,
    );
  }
}
