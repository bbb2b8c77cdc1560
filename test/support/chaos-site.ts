import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Dispatcher } from "undici";
import type { Environment } from "../../src/environment.ts";
import { type ApiAnswer, basic, call } from "./berth.ts";
import { type BerthProcess, spawnBerth } from "./berth-process.ts";
import { freePort } from "./free-port.ts";
import { startIssuer, subject, type TestIssuer } from "./issuer.ts";
import type { TestPostgres } from "./postgres.ts";

export const robot = "acme+ci";
const adminToken = "an-admin-token-for-what-brings-it-down";

/** What stays while processes of the service come and go: the database, an issuer and an address. */
export interface ChaosSite {
  readonly environment: Environment;
  readonly port: number;
  readonly url: string;
  readonly issuer: TestIssuer;
  /** Starts a process of the service at the address, or at another port; of another version, by its source. */
  start(more?: Environment, source?: string): Promise<BerthProcess>;
  api(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<ApiAnswer>;
  /** Makes the organization and robots that are bound to the issuer and may pull. */
  createRobots(names: readonly string[]): Promise<void>;
  /** An OIDC token of the robot's; a `jti` is needed for the protection against replay. */
  sign(claims?: Record<string, unknown>): Promise<string>;
  exchange(name: string, token: string): Promise<ApiAnswer>;
  /** The same by RFC 8693. */
  exchangeByForm(name: string, token: string): Promise<ApiAnswer>;
  registryToken(name: string, robotToken: string): Promise<ApiAnswer>;
  remove(): Promise<void>;
}

/** Longer than any request may take: whoever waits that long was left hanging. */
const HUNG_MILLISECONDS = 60_000;

export interface ChaosSiteOptions {
  /** Absent: the embedded database. */
  readonly postgres?: TestPostgres;
  readonly environment?: Environment;
  /** How the outside reaches it, where that is not straight. */
  readonly through?: { readonly url: string; readonly dispatcher: Dispatcher };
}

/** @throws of the calls: what `fetch` does where there is no answer */
export async function prepareSite({ postgres, environment: more, through }: ChaosSiteOptions = {}): Promise<ChaosSite> {
  const [issuer, port, dataDir] = [
    await startIssuer(),
    await freePort(),
    await mkdtemp(join(tmpdir(), "berth-chaos-")),
  ];
  const url = through?.url ?? `http://127.0.0.1:${port}`;
  const environment: Environment = {
    PORT: String(port),
    PUBLIC_URL: url,
    DATA_DIR: dataDir,
    BERTH_ADMIN_TOKEN: adminToken,
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    BERTH_ALLOW_INSECURE_ISSUERS: "true",
    BERTH_RATE_LIMITS: "off",
    ...(postgres && { DATABASE_URL: await postgres.createDatabase(`chaos_${randomBytes(4).toString("hex")}`) }),
    ...more,
  };
  const ask = (path: string, init: RequestInit) =>
    call(url + path, {
      ...init,
      signal: AbortSignal.timeout(HUNG_MILLISECONDS),
      ...(through && { dispatcher: through.dispatcher }),
    });
  const api: ChaosSite["api"] = (method, path, body, headers = {}) =>
    ask(`/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json", ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  return {
    environment,
    port,
    url,
    issuer,
    start: (own, source) => spawnBerth({ ...environment, ...own }, source),
    api,
    async createRobots(names) {
      expectStatus(201, await api("POST", "/organization/", { name: "acme" }));
      for (const name of names) {
        const path = `/organization/acme/robots/${name}`;
        expectStatus(201, await api("PUT", path, {}));
        expectStatus(200, await api("POST", `${path}/federation`, [{ issuer: issuer.url, subject }]));
        expectStatus(200, await api("PUT", `${path}/grants`, [{ repository: "acme/*", actions: ["pull"] }]));
      }
    },
    sign: (claims) => issuer.sign(url, claims),
    exchange: (name, token) =>
      ask("/oauth2/federation/robot/token", { headers: { authorization: basic(name, token) } }),
    exchangeByForm: (name, token) =>
      ask("/oauth2/token", {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
          subject_token: token,
          subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
          resource: `urn:berth:robot:${name}`,
        }),
      }),
    registryToken: (name, robotToken) =>
      ask("/v2/auth?scope=repository:acme/app:pull", { headers: { authorization: basic(name, robotToken) } }),
    async remove() {
      await issuer.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export function expectStatus(status: number, answer: ApiAnswer): ApiAnswer {
  if (answer.status === status) return answer;
  throw new Error(`expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
}
