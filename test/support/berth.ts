import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Environment } from "../../src/environment.ts";
import { type RunningServer, startServer } from "../../src/ports/node/server.ts";
import { makeDataDir } from "./embedded-database.ts";
import { freePort } from "./free-port.ts";

/** A clock that a test sets forward, so that nobody waits. */
export interface TestClock {
  now(): number;
  advance(seconds: number): void;
}

export function createTestClock(): TestClock {
  let offset = 0;
  return {
    now: () => Date.now() + offset,
    advance: (seconds) => {
      offset += seconds * 1000;
    },
  };
}

/** A service that runs, and what its admin may do with it. */
export interface BerthClient {
  readonly url: string;
  /** The host and port, which is also the default registry's `service`. */
  readonly host: string;
  readonly adminToken: string;
  /** A management call with the admin token. */
  api(method: string, path: string, body?: unknown): Promise<ApiAnswer>;
  /** Makes an organization and a robot, with bindings and grants. */
  createRobot(name: string, given?: { federation?: unknown; grants?: unknown }): Promise<void>;
  /** Trades an external token by Quay's route. */
  exchange(robot: string, token: string): Promise<ApiAnswer>;
}

/** The real service on a port of its own, with its data in a directory of its own. */
export interface TestBerth extends BerthClient {
  readonly clock: TestClock;
  /** The log so far, a line each. */
  readonly log: readonly string[];
  /** Ends the service; the data stays until `remove`. */
  stop(): Promise<void>;
  /** Ends the service and removes its data. */
  remove(): Promise<void>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

export interface TestBerthOptions {
  readonly environment?: Environment;
  /** Of an earlier one, to start it again. */
  readonly dataDir?: string;
  readonly port?: number;
}

export async function startBerth({ environment = {}, ...options }: TestBerthOptions = {}): Promise<TestBerth> {
  const port = options.port ?? (await freePort());
  const dataDir = options.dataDir ?? (await makeDataDir(environment.DATABASE_URL === undefined));
  const adminToken = environment.BERTH_ADMIN_TOKEN ?? randomBytes(24).toString("base64url");
  const clock = createTestClock();
  const log: string[] = [];
  const server: RunningServer = await startServer({
    environment: {
      PORT: String(port),
      DATA_DIR: dataDir,
      BERTH_ADMIN_TOKEN: adminToken,
      BERTH_ALLOW_INSECURE_ISSUERS: "true",
      BERTH_RATE_LIMITS: "off",
      BERTH_AUDIT_REFUSALS_PER_MINUTE: "1000000",
      ...environment,
    },
    write: (line) => log.push(line),
    clock,
  });

  return {
    ...connectBerth(server.url, adminToken, `http://127.0.0.1:${port}`),
    clock,
    log,
    stop: () => server.close(),
    async remove() {
      await server.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** @param base where it is reached, if not at its public URL */
export function connectBerth(url: string, adminToken: string, base = url): BerthClient {
  const api = (method: string, path: string, body?: unknown) =>
    call(`${base}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${adminToken}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });

  return {
    url,
    host: new URL(url).host,
    adminToken,
    api,
    async createRobot(name, { federation, grants } = {}) {
      const [organization, robot] = name.split("+");
      const path = `/organization/${organization}/robots/${robot}`;
      if ((await api("GET", `/organization/${organization}`)).status === 404) {
        expectStatus(201, await api("POST", "/organization/", { name: organization }));
      }
      expectStatus(201, await api("PUT", path, {}));
      if (federation !== undefined) expectStatus(200, await api("POST", `${path}/federation`, federation));
      if (grants !== undefined) expectStatus(200, await api("PUT", `${path}/grants`, grants));
    },
    exchange: (robot, token) =>
      call(`${base}/oauth2/federation/robot/token`, { headers: { authorization: basic(robot, token) } }),
  };
}

export async function call(url: string, init: RequestInit = {}): Promise<ApiAnswer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function expectStatus(status: number, answer: ApiAnswer): void {
  if (answer.status !== status) {
    throw new Error(`expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
}
