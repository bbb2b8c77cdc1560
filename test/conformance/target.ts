import { randomBytes } from "node:crypto";
import { type ApiAnswer, basic, call } from "../support/berth.ts";
import { spawnBerth } from "../support/berth-process.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres } from "../support/postgres.ts";
import { prepareDatabase, startWorkerSite } from "../support/worker-site.ts";

/** Berth behind a base URL, on whatever runtime: all that a clause may know of it. */
export interface Target {
  /** Where it is reached. */
  readonly url: string;
  /** What it calls itself. */
  readonly publicUrl: string;
  readonly adminToken: string;
  /** An issuer that it reaches. */
  readonly issuer: TestIssuer;
  stop(): Promise<void>;
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyInit;
}

export const ask = (target: Target, method: string, path: string, sent: Sent = {}): Promise<ApiAnswer> =>
  call(target.url + path, { method, ...sent });

/** By the admin token, with a body of JSON. */
export function manage(
  target: Target,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<ApiAnswer> {
  return ask(target, method, `/api/v1${path}`, {
    headers: {
      authorization: `Bearer ${target.adminToken}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** How long something may take that others have to hear of: on a quiet machine a second is plenty. */
export const soon = { timeout: 20_000 };

/** What an answer holds that has to be good. */
export async function good(asked: Promise<ApiAnswer>) {
  const { status, body } = await asked;
  if (status >= 300) throw new Error(`answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export const exchange = (target: Target, robot: string, token: string): Promise<ApiAnswer> =>
  ask(target, "GET", "/oauth2/federation/robot/token", { headers: { authorization: basic(robot, token) } });

export const postForm = (target: Target, path: string, parameters: Record<string, string> | [string, string][]) =>
  ask(target, "POST", path, { body: new URLSearchParams(parameters) });

/** Asks for a registry token; `query` as it is to stand in the URL. */
export const login = (target: Target, name: string, password: string, query = ""): Promise<ApiAnswer> =>
  ask(target, "GET", `/v2/auth${query && `?${query}`}`, { headers: { authorization: basic(name, password) } });

/** A robot in an organization of its own, bound to the issuer, that may pull and push all of the organization's. */
export interface Robot {
  readonly organization: string;
  /** In full. */
  readonly name: string;
  /** In the management API. */
  readonly path: string;
  token(): Promise<string>;
}

let made = 0;

export async function makeRobot(target: Target, terms: object = {}): Promise<Robot> {
  made += 1;
  const organization = `org-${made}`;
  const name = `${organization}+ci`;
  const path = `/organization/${organization}/robots/ci`;
  await good(manage(target, "POST", "/organization/", { name: organization }));
  await good(manage(target, "PUT", path, {}));
  await good(manage(target, "POST", `${path}/federation`, [{ issuer: target.issuer.url, subject, ...terms }]));
  await good(manage(target, "PUT", `${path}/grants`, [{ repository: `${organization}/*`, actions: ["pull", "push"] }]));
  const token = async () => (await good(exchange(target, name, await target.issuer.sign(target.publicUrl)))).token;
  return { organization, name, path, token };
}

/** Neither its limits nor a flood's are what the clauses are about. */
const settings = { BERTH_RATE_LIMITS: "off", BERTH_AUDIT_REFUSALS_PER_MINUTE: "1000000" };

export async function startOnNode(): Promise<Target> {
  const [database, issuer, port] = await Promise.all([startPostgres(), startIssuer(), freePort()]);
  const url = `http://127.0.0.1:${port}`;
  const adminToken = randomBytes(24).toString("base64url");
  const berth = await spawnBerth({
    ...settings,
    PORT: String(port),
    DATABASE_URL: await database.createDatabase("berth"),
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    BERTH_ADMIN_TOKEN: adminToken,
    BERTH_ALLOW_INSECURE_ISSUERS: "true",
  });
  const stop = async () => {
    await berth.end("SIGTERM");
    await Promise.all([database.remove(), issuer.close()]);
  };
  return { url, publicUrl: url, adminToken, issuer, stop };
}

export async function startOnWorkers(): Promise<Target> {
  const site = await startWorkerSite(settings);
  const { worker, publicUrl, adminToken, issuer } = site;
  const { code, stderr } = await prepareDatabase(site, { BERTH_ADMIN_TOKEN: adminToken });
  if (code !== 0) throw new Error(stderr);
  return { url: worker.url, publicUrl, adminToken, issuer, stop: site.close };
}
