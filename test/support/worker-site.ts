import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiAnswer, basic, call } from "./berth.ts";
import { launchBerth } from "./berth-process.ts";
import { freePort } from "./free-port.ts";
import { startIssuer, type TestIssuer } from "./issuer.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { buildWorker, startWorker, type TestWorker, type WorkerBundle } from "./worker.ts";

/** A Worker with all that it needs: a real PostgreSQL behind it, and an issuer. */
export interface WorkerSite {
  readonly bundle: WorkerBundle;
  readonly worker: TestWorker;
  readonly database: TestPostgres;
  readonly databaseUrl: string;
  readonly issuer: TestIssuer;
  readonly publicUrl: string;
  readonly adminToken: string;
  readonly secretKey: string;
  /** For a process of Berth on the same database; without the admin token. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of the Worker, or of what answers at `url`. */
  manage(method: string, path: string, body?: unknown, url?: string): Promise<ApiAnswer>;
  close(): Promise<void>;
}

export async function startWorkerSite(vars: Readonly<Record<string, string>> = {}): Promise<WorkerSite> {
  const directory = await mkdtemp(join(tmpdir(), "berth-worker-"));
  const [database, issuer, port] = await Promise.all([startPostgres(), startIssuer(), freePort()]);
  const databaseUrl = await database.createDatabase("berth");
  const publicUrl = `http://127.0.0.1:${port}`;
  const adminToken = randomBytes(24).toString("base64url");
  const secretKey = randomBytes(32).toString("base64");
  const bundle = await buildWorker(directory);
  const worker = await startWorker({
    bundle,
    databaseUrl,
    vars: { PUBLIC_URL: publicUrl, BERTH_ALLOW_INSECURE_ISSUERS: true, ...vars },
    secrets: { BERTH_SECRET_KEY: secretKey },
  });
  return {
    bundle,
    worker,
    database,
    databaseUrl,
    issuer,
    publicUrl,
    adminToken,
    secretKey,
    environment: {
      PORT: String(port),
      PUBLIC_URL: publicUrl,
      DATABASE_URL: databaseUrl,
      BERTH_SECRET_KEY: secretKey,
    },
    manage: (method, path, body, url = worker.url) =>
      call(`${url}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    async close() {
      await worker.stop();
      await Promise.all([issuer.close(), database.remove(), rm(directory, { recursive: true, force: true })]);
    },
  };
}

/** `berth migrate` on the site's database: how it ended, and what it said. */
export async function prepareDatabase(
  { environment }: WorkerSite,
  more: Readonly<Record<string, string>>,
): Promise<{ code: number | NodeJS.Signals; stderr: string }> {
  const berth = launchBerth({ ...environment, ...more }, ["migrate"]);
  return { code: await berth.ended, stderr: berth.stderr() };
}

/** By Quay's route, for `acme+ci`. */
export function exchangeAt(url: string, token: string, signal?: AbortSignal): Promise<ApiAnswer> {
  return call(`${url}/oauth2/federation/robot/token`, {
    headers: { authorization: basic("acme+ci", token) },
    ...(signal && { signal }),
  });
}
