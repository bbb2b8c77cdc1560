import type { Deps } from "../deps.ts";
import type { JsonObject } from "../domain/json.ts";
import { formatRobotName, isName, nameRule, type RobotName } from "../domain/names.ts";
import { patiently } from "../store/alone.ts";
import { isUniqueViolation } from "../store/db.ts";
import {
  deleteRobot as deleteRobotRow,
  findRobot,
  insertRobot,
  lockRobot,
  type Robot,
  type RobotChange,
  type RobotOfOrganization,
  updateRobot,
} from "../store/robots.ts";
import { deleteStaticTokens } from "../store/static-tokens.ts";
import { type Actor, requireMaker, requireRole, requireStanding } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { getOrganization, getOrganizationToKeep } from "./manage-organizations.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { recordChange } from "./record-change.ts";
import { type IssuedStaticToken, issueStaticToken } from "./static-tokens.ts";
import { viewOfRobot } from "./views.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

export interface NewRobot {
  readonly description: string;
  readonly unstructuredMetadata: JsonObject;
  /** `false`: it gets none, whatever its organization wants. */
  readonly staticToken?: false;
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
  { staticToken, ...given }: NewRobot,
): Promise<CreatedRobot> {
  try {
    return await patiently(deps.db, name.organization, async (tx) => {
      const organization = await getOrganizationToKeep(tx, actor, name.organization, "member");
      if (!isName(name.robot)) refuseProblems([{ path: ["robot"], message: `must be ${nameRule}` }]);
      const robot: Robot = {
        id: deps.random.uuid(),
        organizationId: organization.id,
        name: name.robot,
        ...given,
        disabled: false,
        tokenEpoch: 0,
        createdAt: new Date(deps.clock.now()),
        createdBy: actor.name,
        creatorId: actor.id,
        role: null,
        lastAccessed: null,
      };
      await insertRobot(tx, robot);
      await requireMatch(actor, undefined);
      const created = { kind: "create_robot", robot: name, after: viewOfRobot(robot) };
      if (staticToken === false || organization.robotTokens !== "on_create") {
        await recordChange(deps, tx, actor, created);
        return { robot };
      }
      const issued = await issueStaticToken(deps, tx, actor, robot.id, null);
      await recordChange(deps, tx, actor, { ...created, metadata: { token_id: issued.id } });
      return { robot, issued };
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new ManagementError("already_exists", `Existing robot with name: ${formatRobotName(name)}`);
  }
}

/** @throws {ManagementError} when there is none of that name, or none that the actor may see */
export async function getRobot(deps: Pick<Deps, "db">, actor: Actor, name: RobotName): Promise<Robot> {
  return (await getRobotOfOrganization(deps, actor, name)).robot;
}

/** The same, with the organization that it belongs to. */
export async function getRobotOfOrganization(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  name: RobotName,
): Promise<RobotOfOrganization> {
  await getOrganization({ db }, actor, name.organization);
  const found = await findRobot(db, name);
  if (!found) throw noRobot(name);
  requireRole(actor, found.organization, "reader");
  return found;
}

/** What of a robot is changed: what its maker may change, or what admins alone may. */
export type RobotPart = "makers" | "admins";

/** The robot, and nobody else changes it until the transaction ends. */
export async function getRobotToChange(tx: Deps["db"], actor: Actor, name: RobotName, part: RobotPart): Promise<Robot> {
  await getOrganization({ db: tx }, actor, name.organization);
  const found = await lockRobot(tx, name);
  if (!found) throw noRobot(name);
  const { robot, organization } = found;
  if (part === "makers") requireMaker(actor, organization, robot);
  else requireRole(actor, organization, "admin");
  await requireStanding(tx, actor);
  return robot;
}

function noRobot(name: RobotName): ManagementError {
  return notFound(`robot ${formatRobotName(name)}`);
}

export async function changeRobot(
  deps: ManageDeps,
  actor: Actor,
  name: RobotName,
  change: RobotChange,
): Promise<Robot> {
  return patiently(deps.db, name.organization, async (tx) => {
    const robot = await getRobotToChange(tx, actor, name, "makers");
    await requireMatch(actor, viewOfRobot(robot));
    const changed = { ...change, ...(change.disabled && { tokenEpoch: robot.tokenEpoch + 1 }) };
    await updateRobot(tx, robot.id, changed);
    // Whoever disables a robot because of a token that leaked must not let it in again with the robot.
    if (change.disabled) await deleteStaticTokens(tx, robot.id);
    const after = { ...robot, ...changed };
    const views = { before: viewOfRobot(robot), after: viewOfRobot(after) };
    await recordChange(deps, tx, actor, { kind: "change_robot", robot: name, ...views });
    return after;
  });
}

export async function deleteRobot(deps: ManageDeps, actor: Actor, name: RobotName): Promise<void> {
  await patiently(deps.db, name.organization, async (tx) => {
    const robot = await getRobotToChange(tx, actor, name, "makers");
    const before = viewOfRobot(robot);
    await requireMatch(actor, before);
    await deleteRobotRow(tx, robot.id);
    await recordChange(deps, tx, actor, { kind: "delete_robot", robot: name, before });
  });
}
