import type { Db } from "../../store/db.ts";
import type { NodeMetrics } from "./metrics.ts";
import type { NodeTracing } from "./tracing.ts";
import { atEndOfTurn } from "./turns.ts";

/**
 * Has every statement and every transaction as a whole timed, and shown in the trace of the request that it is
 * for, or of the first of several. What a transaction does inside goes unseen: it has one connection the whole time.
 */
export function observeDatabase(db: Db, metrics: NodeMetrics, tracing: NodeTracing): void {
  const { session } = db._;
  const observe = async <T>(operation: "statement" | "transaction", work: () => Promise<T>): Promise<T> => {
    const end = metrics.startOperation(operation);
    try {
      return await tracing.span(operation, { "db.system.name": "postgresql" }, work);
    } finally {
      end();
      // Its answers come in one by one: those who waited for them go on together.
      await new Promise<void>(atEndOfTurn);
    }
  };

  const prepare = session.prepareQuery.bind(session);
  session.prepareQuery = (...given) => {
    const prepared = prepare(...given);
    const execute = prepared.execute.bind(prepared);
    prepared.execute = (values) => observe("statement", () => execute(values));
    return prepared as never;
  };
  const transaction = session.transaction.bind(session);
  session.transaction = (work, config) => observe("transaction", () => transaction(work, config));
}
