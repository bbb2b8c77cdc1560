import type { Problem } from "../../domain/binding.ts";
import { limits } from "../../limits.ts";
import { type ManagementCode, ManagementError, refuseProblems } from "../management-error.ts";

/** Goes on after what is refused, so that every problem of a document is told at once. */
export interface Attempts {
  /**
   * @param path where in the document it stands what the work is about
   * @returns whether it was done
   */
  attempt(path: Problem["path"], work: () => Promise<unknown>): Promise<boolean>;
  problem(path: Problem["path"], message: string): void;
  /** @throws {ManagementError} when there was any problem */
  finish(): void;
}

/** Refusals that leave a transaction as it was, for the caller to mend. */
const TELLABLE: readonly ManagementCode[] = ["invalid", "conflict", "already_exists", "forbidden", "not_found"];

export function createAttempts(): Attempts {
  const problems: Problem[] = [];
  const codes: ManagementCode[] = [];
  return {
    async attempt(path, work) {
      if (problems.length >= limits.problems) return false;
      try {
        await work();
        return true;
      } catch (error) {
        if (!(error instanceof ManagementError) || !TELLABLE.includes(error.code)) throw error;
        codes.push(error.code === "already_exists" || error.code === "not_found" ? "invalid" : error.code);
        const told = error.problems.length > 0 ? error.problems : [{ path: [], message: error.message }];
        problems.push(...told.map((one) => ({ path: [...path, ...one.path], message: one.message })));
        return false;
      }
    },
    problem(path, message) {
      codes.push("invalid");
      problems.push({ path, message });
    },
    finish() {
      const code = (["forbidden", "invalid", "conflict"] as const).find((one) => codes.includes(one));
      if (code === undefined || code === "invalid") return refuseProblems(problems);
      const all = problems.slice(0, limits.problems);
      const told = all.map(({ path, message }) => `${path.join(".")} ${message}`).join("; ");
      throw new ManagementError(code, told, all);
    },
  };
}
