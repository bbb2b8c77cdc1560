import type { Deps } from "../deps.ts";
import { formatRobotName } from "../domain/names.ts";
import { epochSeconds } from "../platform.ts";
import { insertRevokedToken } from "../store/revoked-tokens.ts";
import { verifyRobotToken } from "../tokens/robot-token.ts";
import { type RequestOrigin, recordAudit } from "./audit.ts";

/**
 * Ends a robot token, by whoever holds it. What is no good robot token is left alone, and nobody is told:
 * it opens nothing either way (RFC 7009 §2.2).
 */
export async function revokeRobotToken(
  deps: Pick<Deps, "config" | "db" | "clock" | "random" | "keys">,
  { requestId, clientAddress }: RequestOrigin,
  compact: string,
): Promise<void> {
  const verified = await verifyRobotToken(compact, deps.config, deps.keys.robotTokenKey, epochSeconds(deps.clock));
  if (!verified.ok) return;
  const { robot, jti, exp, bindingId } = verified.token;
  await deps.db.transaction(async (tx) => {
    if (!(await insertRevokedToken(tx, { jti, expiresAt: new Date(exp * 1000) }))) return;
    await recordAudit(tx, deps, {
      requestId,
      clientAddress,
      kind: "revoke_robot_token",
      organization: robot.organization,
      robot: formatRobotName(robot),
      outcome: "success",
      metadata: { robot_token_jti: jti, binding_id: bindingId },
    });
  });
}
