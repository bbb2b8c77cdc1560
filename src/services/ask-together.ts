import DataLoader from "dataloader";
import { limits } from "../limits.ts";

/** When to begin what several requests ask for at once; without it as soon as none of them is busy. */
export type Gather = (begin: () => void) => void;

/**
 * Asks the database about what several requests want of it in one statement, which takes a good part less of it for
 * each of them. One that fails, fails for all of them: only what was checked before may be asked for so.
 *
 * @param ask gives answers in the order of the questions
 */
export function askTogether<Question, Answer>(
  ask: (questions: readonly Question[]) => Promise<Answer[]>,
  gather?: Gather,
): (question: Question) => Promise<Answer> {
  const loader = new DataLoader<Question, Answer>(ask, {
    cache: false,
    maxBatchSize: limits.askedTogether,
    ...(gather && { batchScheduleFn: gather }),
  });
  return (question) => loader.load(question);
}
