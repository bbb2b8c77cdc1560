import type { Deps } from "../deps.ts";
import type { Secret } from "../domain/secret.ts";
import { insertStaticToken } from "../store/static-tokens.ts";
import { generateOpaqueToken } from "../tokens/opaque-token.ts";
import { sha256 } from "../tokens/signing-key.ts";
import type { Actor } from "./actor.ts";

/** A static token that was just made: nobody can tell it again. */
export interface IssuedStaticToken {
  readonly id: string;
  readonly token: Secret;
  /** `null`: when it is ended. */
  readonly expiresAt: Date | null;
}

/** Makes a robot's static token. The transaction keeps the organization's setting, which allows it, as it is. */
export async function issueStaticToken(
  { clock, random }: Pick<Deps, "clock" | "random">,
  tx: Deps["db"],
  { name }: Actor,
  robotId: string,
  expiresAt: Date | null,
): Promise<IssuedStaticToken> {
  const token = generateOpaqueToken("robot");
  const id = random.uuid();
  await insertStaticToken(tx, {
    id,
    robotId,
    tokenHash: await sha256(token.reveal()),
    createdAt: new Date(clock.now()),
    createdBy: name,
    expiresAt,
  });
  return { id, token, expiresAt };
}
