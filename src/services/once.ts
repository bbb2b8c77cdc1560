import type { Deps } from "../deps.ts";
import { claimIdempotencyKey } from "../store/idempotency-keys.ts";
import type { Actor } from "./actor.ts";
import { ManagementError } from "./management-error.ts";

/** The request was carried out before. */
class RepeatedRequest extends Error {
  override readonly name = "RepeatedRequest";
  readonly madeId: string;

  constructor(madeId: string) {
    super("the request was carried out before");
    this.madeId = madeId;
  }
}

/**
 * Makes something once for each `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
 *
 * @param make makes it in a transaction, in which it calls `claim`
 * @param find what was made before, by its id, without its secret
 */
export async function once<T>(make: () => Promise<T>, find: (madeId: string) => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (error instanceof RepeatedRequest) return find(error.madeId);
    throw error;
  }
}

/**
 * To be called in the transaction, before anything is made.
 *
 * @param madeId the id of what the request will have made
 * @throws {ManagementError} when the key came with another request
 */
export async function claim(
  { clock }: Pick<Deps, "clock">,
  tx: Deps["db"],
  { id: actorId, idempotency }: Actor,
  madeId: string,
): Promise<void> {
  if (!idempotency) return;
  const row = { actorId, ...idempotency, madeId, createdAt: new Date(clock.now()) };
  const before = await claimIdempotencyKey(tx, row);
  if (!before) return;
  if (before.requestHash !== idempotency.requestHash) {
    throw new ManagementError("conflict", "The Idempotency-Key came with another request before: send a new one.");
  }
  throw new RepeatedRequest(before.madeId);
}
