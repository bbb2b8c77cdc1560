import { type LogLevel, logLevels } from "../../config.ts";
import type { Log, LogFields } from "../../platform.ts";

/** JSON lines: `time`, `level`, `message` and the fields of the event. */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  const lowest = logLevels.indexOf(level);
  const at =
    (own: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(own) < lowest) return;
      const line = { time: new Date().toISOString(), level: own, message, ...fields };
      write(`${JSON.stringify(line, (_, value) => (value instanceof Error ? describeError(value) : value))}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A failed query's own message quotes its parameters, which are nobody's business. */
function describeError(error: Error): object {
  const { query, code } = error as { query?: unknown; code?: unknown };
  const isQuery = typeof query === "string";
  return {
    name: error.name,
    message: isQuery ? `Failed query: ${query}` : error.message,
    ...(typeof code === "string" && { code }),
    ...(!isQuery && { stack: error.stack }),
    ...(error.cause instanceof Error && { cause: describeError(error.cause) }),
  };
}
