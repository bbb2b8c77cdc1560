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

export function startRegistry({ port, service, issuer, certificates }: TestRegistryOptions): Promise<TestRegistry> {
  const token = { realm: `${issuer}/v2/auth`, service, issuer, rootcertbundle: `${TRUST_DIRECTORY}/certs.pem` };
  return startConfiguredRegistry({
    port,
    // YAML reads JSON.
    auth: `auth: ${JSON.stringify({ token })}`,
    trust: { "certs.pem": certificates },
  });
}

/** Where configuration that Berth gives looks for what Berth exports. */
const TRUST_DIRECTORY = "/etc/berth";

export interface ConfiguredRegistryOptions {
  readonly port: number;
  /** The `auth` section of its configuration, as YAML. */
  readonly auth?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** What is in `/etc/berth`, by file name. */
  readonly trust: Readonly<Record<string, string>>;
  /** Another Distribution than Debian's. */
  readonly program?: string;
  /** Where its images are; without it, in a directory that goes with it. */
  readonly data?: string;
}

/** A registry with configuration as it stands, but for the directory `/etc/berth`, which is one of its own. */
export async function startConfiguredRegistry(options: ConfiguredRegistryOptions): Promise<TestRegistry> {
  const { port, auth = "", environment = {}, trust, program = "docker-registry" } = options;
  const directory = await mkdtemp(join(tmpdir(), "berth-registry-"));
  const host = `127.0.0.1:${port}`;
  const configFile = join(directory, "config.yml");
  const data = options.data ?? join(directory, "data");
  const removeData = () => rm(directory, { recursive: true, force: true });
  const config = [
    "version: 0.1",
    "log: {level: info}",
    `storage: {filesystem: {rootdirectory: ${JSON.stringify(data)}}, delete: {enabled: true}}`,
    `http: {addr: ${JSON.stringify(host)}}`,
    auth.replaceAll(TRUST_DIRECTORY, directory),
  ];
  const variables = Object.entries(environment).map(
    ([name, value]) => `${name}=${value.replaceAll(TRUST_DIRECTORY, directory)}`,
  );
  try {
    const files = Object.entries({ ...trust, "config.yml": config.join("\n") });
    await Promise.all(files.map(([name, text]) => writeFile(join(directory, name), text)));
    const daemon = await startDaemon("env", [...variables, program, "serve", configFile], port);
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
