import { certificatesFile, type RegistryFacts } from "./facts.ts";

/** All of config.json. zot takes a key that it does not know for a mistake, so there is no comment in it. */
export function zot({ realm, service }: RegistryFacts): string {
  const config = {
    distSpecVersion: "1.1.1",
    storage: { rootDirectory: "/var/lib/registry" },
    http: { address: "0.0.0.0", port: "5000", auth: { bearer: { realm, service, cert: certificatesFile } } },
    log: { level: "info" },
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
