import type { Deps } from "../deps.ts";
import { formatRobotName, type RobotName } from "../domain/names.ts";
import type { Secret } from "../domain/secret.ts";
import { epochSeconds } from "../platform.ts";
import type { Db } from "../store/db.ts";
import { insertRevokedToken } from "../store/revoked-tokens.ts";
import { deleteStaticToken } from "../store/static-tokens.ts";
import { isOpaqueToken } from "../tokens/opaque-token.ts";
import { type RobotToken, verifyRefreshToken, verifyRobotToken } from "../tokens/robot-token.ts";
import { sha256 } from "../tokens/signing-key.ts";
import { type AuditEvent, type RequestOrigin, recordAudit } from "./audit.ts";

type RevokeDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "keys" | "recall">;

/**
 * Ends a robot token, by whoever holds it: itself, a refresh token that stands for it, or a static one. What
 * is none of these is left alone, and nobody is told: it opens nothing either way (RFC 7009 §2.2).
 */
export async function revokeRobotToken(deps: RevokeDeps, origin: RequestOrigin, secret: Secret): Promise<void> {
  // Anybody may ask, and costs no more than that.
  if (await revoke(deps, origin, secret)) await deps.recall.catchUp();
}

/** @returns whether there was anything to end */
async function revoke(deps: RevokeDeps, origin: RequestOrigin, secret: Secret): Promise<boolean> {
  const text = secret.reveal();
  if (isOpaqueToken("robot", text)) return revokeStaticToken(deps, origin, text);
  const token = await verify(deps, text);
  if (!token) return false;
  const { robot, jti, exp, bindingId } = token;
  return deps.db.transaction(async (tx) => {
    if (!(await insertRevokedToken(tx, { jti, expiresAt: new Date(exp * 1000) }))) return false;
    await record(deps, tx, origin, robot, { robot_token_jti: jti, binding_id: bindingId });
    return true;
  });
}

async function verify({ config, clock, keys }: RevokeDeps, compact: string): Promise<RobotToken | undefined> {
  const now = epochSeconds(clock);
  const verified = await verifyRobotToken(compact, config, keys.robotTokenKey, now);
  const refreshing = verified.ok
    ? verified
    : await verifyRefreshToken(compact, undefined, config, keys.robotTokenKey, now);
  return refreshing.ok ? refreshing.token : undefined;
}

async function revokeStaticToken(deps: RevokeDeps, origin: RequestOrigin, text: string): Promise<boolean> {
  return deps.db.transaction(async (tx) => {
    const ended = await deleteStaticToken(tx, await sha256(text));
    if (ended) await record(deps, tx, origin, ended.robot, { static_token_id: ended.id });
    return ended !== undefined;
  });
}

function record(
  deps: RevokeDeps,
  tx: Db,
  { requestId, clientAddress }: RequestOrigin,
  robot: RobotName,
  metadata: AuditEvent["metadata"],
): Promise<void> {
  return recordAudit(tx, deps, {
    requestId,
    clientAddress,
    kind: "revoke_robot_token",
    organization: robot.organization,
    robot: formatRobotName(robot),
    outcome: "success",
    metadata,
  });
}
