import type { Deps } from "../deps.ts";
import type { OrganizationRole } from "../domain/access.ts";
import type { RobotName } from "../domain/names.ts";
import type { Actor } from "./actor.ts";
import { recordChange } from "./record-change.ts";

interface RoleChange {
  readonly organization: string;
  /** The name of who holds the role. */
  readonly member: string;
  /** It, if that is a robot. */
  readonly robot?: RobotName;
  readonly before: OrganizationRole | undefined;
  readonly after: OrganizationRole | undefined;
}

/** Records in an organization's log that somebody is given a role in it, or loses one. */
export function recordRole(
  deps: Pick<Deps, "clock" | "random">,
  tx: Deps["db"],
  actor: Actor,
  { organization, member, robot, before, after }: RoleChange,
): Promise<void> {
  return recordChange(deps, tx, actor, {
    kind: after === undefined ? "delete_member" : "put_member",
    organization,
    ...(robot && { robot }),
    ...(before && { before: { role: before } }),
    ...(after && { after: { role: after } }),
    metadata: { member },
  });
}
