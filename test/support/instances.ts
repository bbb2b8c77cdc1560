import { randomBytes } from "node:crypto";
import type { Environment } from "../../src/environment.ts";
import { type ApiAnswer, call, startBerth, type TestBerth } from "./berth.ts";
import { freePort } from "./free-port.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";

/** Two instances of the service on one PostgreSQL, behind one public address. */
export interface Instances {
  readonly postgres: TestPostgres;
  /** What both were started with. */
  readonly environment: Environment & { readonly DATABASE_URL: string; readonly BERTH_SECRET_KEY: string };
  readonly one: TestBerth;
  readonly other: TestBerth;
  /** A management call at one of the two, by turns. */
  ask(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<ApiAnswer>;
  remove(): Promise<void>;
}

export async function startInstances(): Promise<Instances> {
  const postgres = await startPostgres();
  const environment = {
    DATABASE_URL: await postgres.createDatabase("berth"),
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    BERTH_ADMIN_TOKEN: "an-admin-token-of-two-instances",
    PUBLIC_URL: `http://127.0.0.1:${await freePort()}`,
  };
  const startInstance = async () => {
    const port = await freePort();
    return { ...(await startBerth({ environment, port })), url: `http://127.0.0.1:${port}` };
  };
  const [one, other] = await Promise.all([startInstance(), startInstance()]);
  let asked = 0;
  return {
    postgres,
    environment,
    one,
    other,
    ask(method, path, body, headers = {}) {
      asked += 1;
      const { url, adminToken } = asked % 2 ? one : other;
      return call(`${url}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${adminToken}`,
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    },
    async remove() {
      await Promise.all([one.remove(), other.remove()]);
      await postgres.remove();
    },
  };
}
