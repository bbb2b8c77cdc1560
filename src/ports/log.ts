import { type Config, type LogLevel, logLevels } from "../config.ts";
import type { Log, LogFields } from "../platform.ts";

/** JSON lines: `time`, `level`, `message` and the fields of the event. `write` ends them as its platform does. */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  const lowest = logLevels.indexOf(level);
  const at =
    (own: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(own) < lowest) return;
      const line = { time: new Date().toISOString(), level: own, message, ...fields };
      write(JSON.stringify(line, (_, value) => (value instanceof Error ? describeError(value) : value)));
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

/** What an operator should hear of at every start. */
export function warnOfRisks(config: Config, log: Log): void {
  for (const name of config.withoutEffect) log.warn(`${name} is set, and has no effect in this version`);
  if (config.allowInsecureIssuers) {
    log.warn("BERTH_ALLOW_INSECURE_ISSUERS is on: issuers on http and private networks are trusted. Development only.");
  }
}
