import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { pathOf } from "./requirements.ts";

/** CNCF Distribution, as Debian's `docker-registry` brings it. */
export interface DockerRegistry {
  /** Host and port, as in an image's name. */
  readonly host: string;
  readonly log: () => string;
  close(): Promise<void>;
}

export interface TokenAuth {
  /** Where clients are sent for a token. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** PEM. */
  readonly rootCertBundle: string;
}

/** Starts a registry on loopback that trusts one token server. */
export async function startDockerRegistry(auth: TokenAuth): Promise<DockerRegistry> {
  const directory = await mkdtemp(join(tmpdir(), "berth-registry-"));
  const host = `127.0.0.1:${await freePort()}`;
  const bundle = join(directory, "certs.pem");
  const configuration = join(directory, "config.yml");
  await writeFile(bundle, auth.rootCertBundle);
  // JSON is YAML.
  await writeFile(
    configuration,
    JSON.stringify({
      version: "0.1",
      log: { accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: join(directory, "images") }, delete: { enabled: true } },
      http: { addr: host },
      auth: {
        token: { realm: auth.realm, service: auth.service, issuer: auth.issuer, rootcertbundle: bundle },
      },
    }),
  );
  const child = spawn(pathOf("registry"), ["serve", configuration], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      log += chunk;
    });
  }
  const exited = once(child, "exit");
  await untilItAnswers(`http://${host}/v2/`, () => log);
  return {
    host,
    log: () => log,
    async close() {
      child.kill();
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function untilItAnswers(url: string, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const answered = await fetch(url).then(
      () => true,
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the registry does not answer at ${url}: ${log()}`);
}
