import { createHash, randomBytes } from "node:crypto";
import { basic, call, type TestBerth } from "./berth.ts";

/** A robot's requests to a registry, some with a fresh token and some with one of a moment ago. */
export interface RegistryTraffic {
  /** How many went out so far. */
  readonly sent: () => number;
  /** What was refused, and with what. */
  readonly refused: readonly string[];
  /** Sends so many, a few at a time. */
  send(count: number): Promise<void>;
}

export interface RegistryTrafficOptions {
  readonly berth: TestBerth;
  /** The host and port of the registry. */
  readonly host: string;
  readonly service: string;
  readonly username: string;
  readonly password: string;
  readonly repository: string;
}

const AT_ONCE = 4;

export function createRegistryTraffic(options: RegistryTrafficOptions): RegistryTraffic {
  const { berth, host, service, username, password, repository } = options;
  const base = `http://${host}/v2/${repository}`;
  const refused: string[] = [];
  let sent = 0;
  let kept: string | undefined;

  const freshToken = async () => {
    const scope = `repository:${repository}:pull,push,delete`;
    const query = new URLSearchParams({ service, scope });
    const { status, body } = await call(`${berth.url}/v2/auth?${query}`, {
      headers: { authorization: basic(username, password) },
    });
    if (status !== 200) throw new Error(`no token: ${status} ${JSON.stringify(body)}`);
    return body.token as string;
  };

  const request = async (method: string, url: string, init: RequestInit = {}) => {
    sent += 1;
    // Every third request comes with a token that was issued a while before.
    const token = sent % 3 === 0 && kept ? kept : await freshToken();
    if (sent % 7 === 0) kept = token;
    const answer = await call(url, { method, ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
    if (answer.status >= 400) refused.push(`${method} ${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  };

  /** Four requests: reads, and a push of its own. */
  const round = async () => {
    await request("GET", `http://${host}/v2/`);
    const blob = randomBytes(100);
    const digest = `sha256:${createHash("sha256").update(blob).digest("hex")}`;
    const upload = await request("POST", `${base}/blobs/uploads/`);
    const location = new URL(upload.headers.get("location") ?? "", base);
    location.searchParams.set("digest", digest);
    await request("PUT", location.href, { body: blob, headers: { "content-type": "application/octet-stream" } });
    await request("GET", `${base}/blobs/${digest}`);
  };

  return {
    sent: () => sent,
    refused,
    async send(count) {
      const until = sent + count;
      const work = async () => {
        while (sent < until) await round();
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    },
  };
}
