import { type Config, type LogLevel, logLevels } from "../config.ts";
import { parseTraceparent } from "../domain/trace-context.ts";
import type { Log, LogFields } from "../platform.ts";

/**
 * JSON lines: `time`, `level`, `message`, those of the trace that it belongs to and the fields of the event.
 * `write` ends them as its platform does.
 */
export function createLog(
  level: LogLevel,
  write: (line: string) => void,
  trace: () => LogFields | undefined = () => undefined,
): Log {
  const lowest = logLevels.indexOf(level);
  const at =
    (own: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(own) < lowest) return;
      const line = { message, ...trace(), ...fields };
      const rest = Object.values(fields).some(isObject) ? JSON.stringify(line, describe) : JSON.stringify(line);
      write(`{"time":"${new Date().toISOString()}","level":"${own}",${rest.slice(1)}`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function isObject(value: unknown): boolean {
  return typeof value === "object";
}

function describe(_: string, value: unknown): unknown {
  return value instanceof Error ? describeError(value) : value;
}

/** What the lines of a request say of the trace that its caller is in; the names are those of OpenTelemetry. */
export function describeTrace(traceparent: string | undefined): LogFields | undefined {
  const caller = parseTraceparent(traceparent);
  return caller && { trace_id: caller.traceId, span_id: caller.spanId };
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
  if (config.allowInsecureIssuers) {
    log.warn("BERTH_ALLOW_INSECURE_ISSUERS is on: issuers on http and private networks are trusted. Development only.");
  }
}
