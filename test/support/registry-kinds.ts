import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call, type TestBerth } from "./berth.ts";
import { startDaemon } from "./daemon.ts";
import { fetchCertificates, startConfiguredRegistry, type TestRegistry } from "./registry.ts";

/** A registry as an operator sets it up: which program, and how it trusts Berth. */
export interface RegistryKind {
  /** With its version and its trust, as the compatibility page names it. */
  readonly name: string;
  readonly keyProfile: "x5c" | "kid";
  /** Seconds for which it still takes a token that has expired. */
  readonly leeway: number;
  /** What it asks of a token that deletes. */
  readonly deletesWith: "delete" | "push";
  /** Whether a layer that it has in another repository has to be mounted from there; else it has it everywhere. */
  readonly mountsLayers: boolean;
  /** What it asks of a token for its catalog. */
  readonly catalogScope: "registry:catalog:*" | "repository::pull";
  start(place: RegistryPlace): Promise<TestRegistry>;
}

export interface RegistryPlace {
  readonly berth: TestBerth;
  readonly service: string;
  readonly port: number;
}

/** Distribution takes a minute's difference between clocks. */
const DISTRIBUTION_LEEWAY = 60;

/** How an operator sets Distribution up. */
interface DistributionSetting {
  /** Such as 2.8. */
  readonly version: string;
  readonly program: string;
  readonly keyProfile: RegistryKind["keyProfile"];
  /** The setting by which it knows Berth's keys. */
  readonly trust: "rootcertbundle" | "jwks";
}

export function distribution({ version, program, keyProfile, trust }: DistributionSetting): RegistryKind {
  return {
    name: `Distribution ${version}, \`${keyProfile}\` profile, \`${trust}\``,
    keyProfile,
    leeway: DISTRIBUTION_LEEWAY,
    deletesWith: "delete",
    mountsLayers: true,
    catalogScope: "registry:catalog:*",
    async start({ berth, service, port }) {
      const file = trust === "jwks" ? "jwks.json" : "certs.pem";
      const token = { realm: `${berth.url}/v2/auth`, service, issuer: berth.url, [trust]: `/etc/berth/${file}` };
      return startConfiguredRegistry({
        program,
        port,
        auth: `auth: ${JSON.stringify({ token })}`,
        trust: { [file]: await (trust === "jwks" ? fetchKeySet : fetchCertificates)(berth.url, service) },
      });
    },
  };
}

/** @param setting.version such as 2.1 */
export function zot({ version, program }: { readonly version: string; readonly program: string }): RegistryKind {
  return {
    name: `zot ${version}, \`kid\` profile`,
    keyProfile: "kid",
    leeway: 0,
    deletesWith: "push",
    mountsLayers: false,
    catalogScope: "repository::pull",
    async start({ berth, service, port }) {
      const directory = await mkdtemp(join(tmpdir(), "berth-zot-"));
      const [certificates, data] = [join(directory, "certs.pem"), join(directory, "data")];
      const removeData = () => rm(directory, { recursive: true, force: true });
      try {
        const { body } = await berth.api("GET", `/registries/${encodeURIComponent(service)}/config/zot`);
        body.storage.rootDirectory = data;
        Object.assign(body.http, { address: "127.0.0.1", port: String(port) });
        body.http.auth.bearer.cert = certificates;
        await writeFile(certificates, await fetchCertificates(berth.url, service));
        await writeFile(join(directory, "config.json"), JSON.stringify(body));
        const daemon = await startDaemon(program, ["serve", join(directory, "config.json")], port);
        return {
          host: `127.0.0.1:${port}`,
          log: daemon.output,
          hasRepository: (name) => existsSync(join(data, name)),
          async remove() {
            await daemon.stop();
            await removeData();
          },
        };
      } catch (error) {
        await removeData();
        throw error;
      }
    },
  };
}

export async function fetchKeySet(origin: string, service: string): Promise<string> {
  const { status, body } = await call(`${origin}/registries/${encodeURIComponent(service)}/jwks.json`);
  if (status !== 200) throw new Error(`there is no key set: ${JSON.stringify(body)}`);
  return JSON.stringify(body);
}
