import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call } from "./berth.ts";
import { startDaemon } from "./daemon.ts";

/** A real Distribution registry, as Debian packages it, that takes the tokens of one issuer. */
export interface TestRegistry {
  /** The host and port that it listens on. */
  readonly host: string;
  /** Its log so far. */
  log(): string;
  /** Whether anything was ever stored under a repository's name. */
  hasRepository(name: string): boolean;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

export interface TestRegistryOptions {
  readonly port: number;
  readonly service: string;
  /** The origin of the token server. */
  readonly issuer: string;
  /** PEM, as the token server exports it. */
  readonly certificates: string;
}

export async function startRegistry({
  port,
  service,
  issuer,
  certificates,
}: TestRegistryOptions): Promise<TestRegistry> {
  const directory = await mkdtemp(join(tmpdir(), "berth-registry-"));
  const host = `127.0.0.1:${port}`;
  const configFile = join(directory, "config.yml");
  const bundle = join(directory, "berth.pem");
  const data = join(directory, "data");
  const removeData = () => rm(directory, { recursive: true, force: true });
  // YAML reads JSON.
  const config = {
    version: 0.1,
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: data } },
    http: { addr: host },
    auth: { token: { realm: `${issuer}/v2/auth`, service, issuer, rootcertbundle: bundle } },
  };
  try {
    await Promise.all([writeFile(configFile, JSON.stringify(config)), writeFile(bundle, certificates)]);
    const daemon = await startDaemon("docker-registry", ["serve", configFile], port);
    return {
      host,
      log: daemon.output,
      hasRepository: (name) => existsSync(join(data, "docker/registry/v2/repositories", name)),
      async remove() {
        await daemon.stop();
        await removeData();
      },
    };
  } catch (error) {
    await removeData();
    throw error;
  }
}

/** What Berth exports for a service of its own, asked for at an origin of Berth's. */
export async function fetchCertificates(origin: string, service: string): Promise<string> {
  const { status, body } = await call(`${origin}/registries/${encodeURIComponent(service)}/certs.pem`);
  if (status !== 200) throw new Error(`there are no certificates: ${JSON.stringify(body)}`);
  return body;
}
