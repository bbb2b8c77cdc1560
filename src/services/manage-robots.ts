import type { Deps } from "../deps.ts";
import type { JsonObject } from "../domain/json.ts";
import { formatRobotName, isName, nameRule, type RobotName } from "../domain/names.ts";
import { isUniqueViolation } from "../store/db.ts";
import {
  deleteRobot as deleteRobotRow,
  findRobot,
  insertRobot,
  listRobots,
  lockRobot,
  type Robot,
  type RobotChange,
  type RobotOfOrganization,
  updateRobot,
} from "../store/robots.ts";
import { deleteStaticTokens } from "../store/static-tokens.ts";
import { recordAudit } from "./audit.ts";
import { getOrganization, getOrganizationToKeep } from "./manage-organizations.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { type Page, pageOf } from "./page.ts";
import { type Actor, requireSuperUser } from "./principals.ts";
import { type IssuedStaticToken, issueStaticToken } from "./static-tokens.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

export interface NewRobot {
  readonly description: string;
  readonly unstructuredMetadata: JsonObject;
}

export interface CreatedRobot {
  readonly robot: Robot;
  /** Where its organization wants one for each robot. */
  readonly issued?: IssuedStaticToken;
}

export async function createRobot(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  given: NewRobot,
): Promise<CreatedRobot> {
  try {
    return await deps.db.transaction(async (tx) => {
      const organization = await getOrganizationToKeep(tx, actor, name.organization);
      if (!isName(name.robot)) refuseProblems([{ path: ["robot"], message: `must be ${nameRule}` }]);
      const robot: Robot = {
        id: deps.random.uuid(),
        organizationId: organization.id,
        name: name.robot,
        ...given,
        disabled: false,
        tokenEpoch: 0,
        createdAt: new Date(deps.clock.now()),
        createdBy: actor.principal.name,
        lastAccessed: null,
      };
      await insertRobot(tx, robot);
      if (organization.robotTokens !== "on_create") {
        await recordChange(deps, tx, actor, "create_robot", name);
        return { robot };
      }
      const issued = await issueStaticToken(deps, tx, actor, robot.id, null);
      await recordChange(deps, tx, actor, "create_robot", name, { token_id: issued.id });
      return { robot, issued };
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new ManagementError("already_exists", `Existing robot with name: ${formatRobotName(name)}`);
  }
}

/** @throws {ManagementError} when there is none of that name */
export async function getRobot(deps: Pick<Deps, "db">, actor: Actor, name: RobotName): Promise<Robot> {
  return (await requireRobot(actor, name, () => findRobot(deps.db, name))).robot;
}

/** The same, with the organization that it belongs to. */
export function getRobotOfOrganization(
  deps: Pick<Deps, "db">,
  actor: Actor,
  name: RobotName,
): Promise<RobotOfOrganization> {
  return requireRobot(actor, name, () => findRobot(deps.db, name));
}

/** The robot, and nobody else changes it until the transaction ends. */
export async function getRobotToChange(tx: Deps["db"], actor: Actor, name: RobotName): Promise<Robot> {
  return (await requireRobot(actor, name, () => lockRobot(tx, name))).robot;
}

async function requireRobot(
  actor: Actor,
  name: RobotName,
  find: () => Promise<RobotOfOrganization | undefined>,
): Promise<RobotOfOrganization> {
  requireSuperUser(actor);
  const found = await find();
  if (!found) throw notFound(`robot ${formatRobotName(name)}`);
  return found;
}

export async function pageRobots(
  deps: Pick<Deps, "db">,
  actor: Actor,
  organizationName: string,
  { after, limit }: { after: string; limit: number },
): Promise<Page<Robot>> {
  const organization = await getOrganization(deps, actor, organizationName);
  return pageOf(await listRobots(deps.db, organization.id, after, limit + 1), limit, ({ name }) => name);
}

export async function changeRobot(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  change: RobotChange,
): Promise<Robot> {
  return deps.db.transaction(async (tx) => {
    const robot = await getRobotToChange(tx, actor, name);
    const changed = { ...change, ...(change.disabled && { tokenEpoch: robot.tokenEpoch + 1 }) };
    await updateRobot(tx, robot.id, changed);
    // Whoever disables a robot because of a token that leaked must not let it in again with the robot.
    if (change.disabled) await deleteStaticTokens(tx, robot.id);
    await recordChange(deps, tx, actor, "change_robot", name, { changed: Object.keys(change) });
    return { ...robot, ...changed };
  });
}

export async function deleteRobot(deps: ManageDeps, actor: Actor, name: RobotName): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const robot = await getRobotToChange(tx, actor, name);
    await deleteRobotRow(tx, robot.id);
    await recordChange(deps, tx, actor, "delete_robot", name);
  });
}

/** Records a change to a robot, in the transaction that makes it. */
export async function recordChange(
  deps: Pick<Deps, "clock" | "random">,
  tx: Deps["db"],
  { principal, requestId, clientAddress }: Actor,
  kind: string,
  name: RobotName,
  metadata: JsonObject = {},
): Promise<void> {
  await recordAudit(tx, deps, {
    requestId,
    clientAddress,
    kind,
    organization: name.organization,
    robot: formatRobotName(name),
    actor: principal.name,
    outcome: "success",
    metadata,
  });
}
