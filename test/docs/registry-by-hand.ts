import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { basic, call, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startConfiguredRegistry, type TestRegistry } from "../support/registry.ts";

/** A registry that somebody runs who follows a page. */
export interface RegistryByHand {
  readonly origin: string;
  /** Starts it anew with a configuration, and with the files that this one names as they are by now. */
  restart(auth: string): Promise<void>;
  /** Gets a token where the registry says. */
  tokenFor(username: string, password: string): Promise<string>;
  /** How it answers a token: 200, or 401. */
  statusFor(token: string): Promise<number>;
  stop(): Promise<void>;
}

/** @param directory where the files are that its configuration has in `/etc/berth` */
export async function createRegistryByHand(directory: string): Promise<RegistryByHand> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  let running: TestRegistry | undefined;
  const stop = async () => {
    await running?.remove();
    running = undefined;
  };
  return {
    origin,
    stop,
    async restart(auth) {
      await stop();
      const names = [...auth.matchAll(/\/etc\/berth\/([\w.]+)/g)].map(([, name = ""]) => name);
      const files = names.map(async (name) => [name, await readFile(join(directory, name), "utf8")]);
      running = await startConfiguredRegistry({ port, auth, trust: Object.fromEntries(await Promise.all(files)) });
    },
    async tokenFor(username, password) {
      const challenge = (await call(`${origin}/v2/`)).headers.get("www-authenticate") ?? "";
      const { realm, service = "" } = Object.fromEntries(
        [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
      );
      const headers = { authorization: basic(username, password) };
      const { status, body } = await call(`${realm}?${new URLSearchParams({ service })}`, { headers });
      if (status !== 200) throw new Error(`${username} was refused: ${JSON.stringify(body)}`);
      return body.token;
    },
    async statusFor(token) {
      return (await call(`${origin}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status;
    },
  };
}

/** The configuration that Berth gives for a registry. */
export async function configurationOf(berth: TestBerth, service: string): Promise<string> {
  const { status, body } = await berth.api("GET", `/registries/${service}/config/distribution`);
  if (status !== 200) throw new Error(`there is no configuration: ${JSON.stringify(body)}`);
  return body.replaceAll(/^#.*$/gm, "");
}
