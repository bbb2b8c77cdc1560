import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type ApiAnswer, call } from "./berth.ts";
import { freePort } from "./free-port.ts";
import { pathOf } from "./requirements.ts";

/** Keycloak itself, with its data in memory. */
export interface Keycloak {
  readonly url: string;
  /** Where its commands are. */
  readonly bin: string;
  /** Of the administrator in the realm "master". */
  readonly admin: { readonly username: string; readonly password: string };
  createRealm(name: string): Promise<Realm>;
  /** Ends it, and what it held with it. */
  stop(): Promise<void>;
}

export interface Realm {
  readonly issuer: string;
  /** Changes settings of the realm, by the names of Keycloak's admin REST API. */
  change(settings: Record<string, unknown>): Promise<void>;
  /** A confidential client with direct access grants, else as Keycloak makes it: gives its secret. */
  createClient(clientId: string, settings?: Record<string, unknown>): Promise<string>;
  /** A user who can log in: gives the id, which is the subject of the user's tokens. */
  createUser(username: string, password: string): Promise<string>;
}

const START_SECONDS = 120;

export async function startKeycloak(): Promise<Keycloak> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const admin = { username: "admin", password: "loopback-only" };
  const installation = pathOf("keycloak");
  const home = await shadowInstallation(installation);
  const options = ["--http-enabled=true", "--http-host=127.0.0.1", `--http-port=${port}`, `--hostname=${url}`];
  const child = spawn(join(home, "bin", "kc.sh"), ["start", "--optimized", "--cache=local", ...options], {
    env: {
      ...process.env,
      KC_BOOTSTRAP_ADMIN_USERNAME: admin.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: admin.password,
      // The first compiler alone: nothing here runs long enough to earn what the second costs.
      JAVA_OPTS_APPEND: "-XX:TieredStopAtLevel=1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      log += chunk;
    });
  }
  const exited = once(child, "exit");
  const kill = () => child.kill("SIGTERM");
  process.once("exit", kill);

  const keycloak: Keycloak = {
    url,
    bin: join(installation, "bin"),
    admin,
    async createRealm(name) {
      await administrate("POST", "", { realm: name, enabled: true });
      return realmOf(name);
    },
    async stop() {
      process.off("exit", kill);
      kill();
      await exited;
      await rm(home, { recursive: true, force: true });
    },
  };
  try {
    await waitUntilReady();
  } catch (error) {
    await keycloak.stop();
    throw error;
  }
  return keycloak;

  async function waitUntilReady(): Promise<void> {
    const deadline = Date.now() + START_SECONDS * 1000;
    while (!(await isReady())) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`Keycloak did not start: ${log}`);
      await setTimeout(100);
    }
  }

  async function isReady(): Promise<boolean> {
    try {
      return (await fetch(`${url}/realms/master`)).ok;
    } catch {
      return false;
    }
  }

  /** A call of the admin REST API, below `/admin/realms`. */
  async function administrate(method: string, path: string, body: unknown): Promise<ApiAnswer> {
    const { body: granted } = await call(`${url}/realms/master/protocol/openid-connect/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "password", client_id: "admin-cli", ...admin }),
    });
    const answer = await call(`${url}/admin/realms${path}`, {
      method,
      headers: { authorization: `Bearer ${granted.access_token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }

  function realmOf(name: string): Realm {
    return {
      issuer: `${url}/realms/${name}`,
      async change(settings) {
        await administrate("PUT", `/${name}`, settings);
      },
      async createClient(clientId, settings) {
        const secret = `secret-of-${clientId}`;
        const client = { clientId, secret, directAccessGrantsEnabled: true, ...settings };
        await administrate("POST", `/${name}/clients`, client);
        return secret;
      },
      async createUser(username, password) {
        const { headers } = await administrate("POST", `/${name}/users`, {
          username,
          enabled: true,
          // Without all of its profile, Keycloak would first ask a user to fill it in.
          email: `${username}@example.com`,
          emailVerified: true,
          firstName: "CI",
          lastName: "Job",
          credentials: [{ type: "password", value: password, temporary: false }],
        });
        return headers.get("location")?.split("/").at(-1) ?? "";
      },
    };
  }
}

/** A home of its own for a server's data, with everything else the installation's. */
async function shadowInstallation(installation: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "berth-keycloak-"));
  // Keycloak takes for its home what lies above the real path of its start script.
  await mkdir(join(home, "bin"));
  await copyFile(join(installation, "bin", "kc.sh"), join(home, "bin", "kc.sh"));
  for (const folder of ["conf", "lib", "providers", "themes"]) {
    await symlink(join(installation, folder), join(home, folder));
  }
  return home;
}
