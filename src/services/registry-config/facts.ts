import { quote } from "./quoting.ts";

/** What a registry's configuration says of its token server. */
export interface RegistryFacts {
  readonly service: string;
  /** Where clients reach it, with or without a port. */
  readonly host: string;
  readonly realm: string;
  readonly issuer: string;
  readonly keyProfile: "x5c" | "kid";
  /** PEM, as of `certificatesUrl`; with the `kid` profile the active key's first, since zot reads no further. */
  readonly certificates: string;
  readonly certificatesUrl: string;
  readonly jwksUrl: string;
}

export type NameAndValue = readonly [name: string, value: string];

export const trustDirectory = "/etc/berth";
export const certificatesFile = `${trustDirectory}/certs.pem`;

/** Distribution's, of the last release before 3. */
export const image = "docker.io/library/registry:2.8.3";

/** The options of `auth.token`, as Distribution 2.8 knows them. */
export function tokenOptions({ realm, service, issuer }: RegistryFacts): readonly NameAndValue[] {
  return [
    ["realm", realm],
    ["service", service],
    ["issuer", issuer],
    ["rootcertbundle", certificatesFile],
  ];
}

/** Distribution reads a variable's value as YAML, where a service called 5000 would be a number. */
export function tokenVariables(options: readonly NameAndValue[]): readonly NameAndValue[] {
  const named = options.map(([name, value]) => [`REGISTRY_AUTH_TOKEN_${name.toUpperCase()}`, quote(value)] as const);
  return [["REGISTRY_AUTH", "token"], ...named];
}

/** Of this machine: the host's own port where the host is this machine. */
export function publishedPort({ host }: RegistryFacts): string {
  return /^(?:localhost|127\.[0-9.]+|\[::1\]):([0-9]+)$/.exec(host)?.[1] ?? "5000";
}
