#!/usr/bin/env node
import cluster from "node:cluster";
import { setFlagsFromString } from "node:v8";
import { Command, InvalidArgumentError } from "commander";
import { DrizzleQueryError } from "drizzle-orm";
import { ConfigError } from "../../config.ts";
import { SealError } from "../../tokens/sealing.ts";
import { backup } from "./backup/backup.ts";
import { BackupError } from "./backup/backup-file.ts";
import { restore } from "./backup/restore.ts";
import { serveByWorkers } from "./cluster.ts";
import { DataDirError } from "./data-dir.ts";
import { createLineWriter } from "./line-writer.ts";
import { migrate } from "./migrate.ts";
import { version } from "./package-files.ts";
import type { RunningServer } from "./server.ts";

const ENVIRONMENT = `
Environment (README.md has all of it):
  HOST, PORT                     where it listens (127.0.0.1, 8080)
  PUBLIC_URL                     how the outside reaches it (http://HOST:PORT)
  TLS_CERT_FILE, TLS_KEY_FILE    serve https; read again when they change
  DATABASE_URL                   postgres://…; without it, an embedded database under DATA_DIR
  DATA_DIR                       embedded database and generated secrets (./data)
  BERTH_ADMIN_TOKEN              API token of the first superuser
  BERTH_SECRET_KEY               32 bytes in base64 that seal signing keys at rest
  BERTH_REGISTRY_SERVICE         service of the default registry (host of PUBLIC_URL)
  BERTH_STATE_FILE               desired state in JSON, applied at every start
  BERTH_AUDIENCE                 audience that CI tokens must be meant for (PUBLIC_URL)
  HTTPS_PROXY, NO_PROXY          a forward proxy for issuers, and hosts that are reached without it
  BERTH_DRAIN_DELAY              seconds that it serves on after SIGTERM, not ready any more (0)
  LOG_LEVEL                      debug, info, warn or error (info)
  BERTH_METRICS_PUBLIC           true: /metrics without a token (false)
  OTEL_EXPORTER_OTLP_ENDPOINT    where traces are sent
Each secret may come from a file instead: NAME_FILE.`;

const MAX_WORKERS = 256;
const CANNOT_START = "Berth cannot start.";

const program = new Command("berth")
  .description("Keyless robot accounts for container registries")
  .version(version)
  .showHelpAfterError();
program
  .command("serve")
  .description("run the service until SIGTERM or SIGINT")
  .option("--workers <number>", "processes that share the port, on PostgreSQL: one for each processor", readWorkers, 1)
  .addHelpText("after", ENVIRONMENT)
  .action(({ workers }: { workers: number }) => (workers > 1 && cluster.isPrimary ? serveByMany(workers) : serve()));
program
  .command("migrate")
  .description("prepare the PostgreSQL of DATABASE_URL for this version, and end: its schema, first superuser and keys")
  .action(() => prepareDatabase().catch(refuse(CANNOT_START)));
program
  .command("backup")
  .argument("<file>", "to be made; there must be none of that name")
  .description("write all that the service keeps, but BERTH_SECRET_KEY, to a file; on PostgreSQL, while it serves")
  .action((file: string) =>
    copyRows("Backed up", () => backup(file, process.env, version, tellProgress)).catch(
      refuse("Nothing is backed up."),
    ),
  );
program
  .command("restore")
  .argument("<file>", "that `berth backup` wrote")
  .option("--replace", "delete what the database holds")
  .description("put what a backup holds into the database, which must be empty, while nobody serves from it")
  .action((file: string, { replace = false }: { replace?: boolean }) =>
    copyRows("Restored", () => restore(file, process.env, { replaces: replace }, tellProgress)).catch(
      refuse("Nothing is restored."),
    ),
  );
await program.parseAsync();

async function prepareDatabase(): Promise<void> {
  await migrate(process.env);
  process.stderr.write(`The database is prepared for Berth ${version}.\n`);
}

async function serveByMany(workers: number): Promise<void> {
  if (!process.env.DATABASE_URL?.trim() && !process.env.DATABASE_URL_FILE?.trim()) {
    return refuse(CANNOT_START)(
      new ConfigError(["--workers needs PostgreSQL: set DATABASE_URL. The embedded database is one process's alone."]),
    );
  }
  process.exitCode = await serveByWorkers(workers);
}

function readWorkers(value: string): number {
  const number = /^[0-9]{1,3}$/.test(value) ? Number(value) : 0;
  if (number < 1 || number > MAX_WORKERS) throw new InvalidArgumentError(`It must be 1 to ${MAX_WORKERS}.`);
  return number;
}

async function serve(): Promise<void> {
  // Under load V8 would let the heap grow to three times what lives before it looks again: 60 MB more.
  setFlagsFromString("--heap-growing-percent=100");
  const { startServer } = await import("./server.ts");
  const starting = startServer({ environment: process.env, write: createLineWriter(process.stdout) });
  stopOnSignal(starting);
  try {
    const server = await starting;
    if (server.newAdminTokenPath) greet(server, server.newAdminTokenPath);
  } catch (error) {
    refuse(CANNOT_START)(error);
  }
}

function refuse(what: string): (error: unknown) => void {
  return (error) => {
    process.stderr.write(`${clearLine()}${what}\n${explain(error)}\n`);
    process.exitCode = 1;
    // What is between a worker and its primary would keep it.
    cluster.worker?.disconnect();
  };
}

async function copyRows(done: string, copy: () => Promise<number>): Promise<void> {
  const rows = await copy();
  process.stderr.write(`${clearLine()}${done} ${rows} rows.\n`);
}

/** Somebody who looks at a terminal sees how far it is. */
function tellProgress(table: string, rows: number): void {
  if (process.stderr.isTTY) process.stderr.write(`${clearLine()}${table}: ${rows} rows`);
}

function clearLine(): string {
  return process.stderr.isTTY ? "\r\x1b[K" : "";
}

/** What the operator of a fresh service wants to know next. */
function greet({ url }: RunningServer, adminTokenPath: string): void {
  process.stderr.write(`
Berth is ready at ${url}
Its admin token is in ${adminTokenPath}

Next, make an organization and a robot:
  export TOKEN=$(cat ${adminTokenPath})
  curl -H "Authorization: Bearer $TOKEN" --json '{"name":"acme"}' ${url}/api/v1/organization/
  curl -H "Authorization: Bearer $TOKEN" -X PUT ${url}/api/v1/organization/acme/robots/ci
README.md goes on from there.

`);
}

/** A signal that comes while the service starts is heard, too: it stops as soon as it can. */
/** A process may be told several times: the terminal, or the host, tells a whole group, and a primary its workers. */
function stopOnSignal(starting: Promise<RunningServer>): void {
  let isStopping = false;
  const stop = async () => {
    if (isStopping) return;
    isStopping = true;
    try {
      await (await starting).close();
      process.exit(0);
    } catch (error) {
      process.stderr.write(`${explain(error)}\n`);
      process.exit(1);
    }
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.problems.map((problem) => `- ${problem}`).join("\n");
  if (error instanceof DataDirError || error instanceof BackupError) return `- ${error.message}`;
  if (error instanceof SealError) {
    return `- BERTH_SECRET_KEY: ${error.message}. Give the key that was used before, behind the new one if you are changing it.`;
  }
  const reasons: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = "code" in cause && typeof cause.code === "string" ? ` (${cause.code})` : "";
    // Its message has the query, with what was sent along.
    reasons.push(cause instanceof DrizzleQueryError ? "a query failed" : `${cause.message || cause.name}${code}`);
  }
  return `- ${reasons.join(": ") || String(error)}`;
}
