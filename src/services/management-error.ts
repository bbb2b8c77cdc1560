import type { Problem } from "../domain/binding.ts";
import { limits } from "../limits.ts";

/** Why a management request was not carried out: nothing was changed. */
export type ManagementCode =
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "already_exists"
  | "conflict"
  | "precondition_failed"
  | "invalid"
  | "body_too_large"
  | "issuer_unreachable";

export class ManagementError extends Error {
  override readonly name = "ManagementError";
  readonly code: ManagementCode;
  /** Every problem of what was sent, with its place. */
  readonly problems: readonly Problem[];

  constructor(code: ManagementCode, message: string, problems: readonly Problem[] = []) {
    super(message);
    this.code = code;
    this.problems = problems;
  }
}

export function notFound(what: string): ManagementError {
  return new ManagementError("not_found", `There is no ${what}.`);
}

/** @throws {ManagementError} when there is any problem */
export function refuseProblems(all: readonly Problem[]): void {
  if (all.length === 0) return;
  const problems = all.slice(0, limits.problems);
  const told = problems.map(({ path, message }) => (path.length > 0 ? `${path.join(".")} ${message}` : message));
  throw new ManagementError("invalid", told.join("; "), problems);
}
