import ipaddr from "ipaddr.js";
import { Secret } from "./domain/secret.ts";
import { isPlainText } from "./domain/text.ts";
import { limits } from "./limits.ts";

/** Environment variables, by name; what is unset or empty is absent. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Config {
  readonly host: string;
  readonly port: number;
  /** An origin, without a final slash. */
  readonly publicUrl: string;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly databaseUrl?: Secret;
  readonly dataDir: string;
  readonly adminToken?: Secret;
  /** 32 bytes each; the first one seals. */
  readonly secretKeys?: readonly Secret<Uint8Array<ArrayBuffer>>[];
  readonly audiences: readonly string[];
  readonly allowInsecureIssuers: boolean;
  readonly registryService: string;
  /** Seconds. */
  readonly robotTokenTtl: number;
  /** Seconds. */
  readonly registryTokenTtl: number;
  /** CIDRs. */
  readonly trustedProxies: readonly string[];
  readonly logLevel: LogLevel;
}

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Every problem of the environment, told at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** Promised, and not built yet: to ignore one silently would be worse than to refuse it. */
const UNSUPPORTED = ["BERTH_STATE_FILE"];

/**
 * Reads the configuration. Where `NAME_FILE` is set, the secret `NAME` is that file's text.
 *
 * @param readFile reads a text file; throws when it cannot
 * @throws {ConfigError}
 */
export function readConfig(environment: Environment, readFile: (path: string) => string): Config {
  const problems: string[] = [];
  const problem = (text: string) => {
    problems.push(text);
    return undefined;
  };

  for (const name of UNSUPPORTED) {
    if (environment[name]) problem(`${name} is not supported by this version: unset it`);
  }
  const host = text("HOST") ?? "127.0.0.1";
  const port = integer("PORT", 8080, 1, 65535);
  const tls = readTls();
  const publicUrl = readPublicUrl();
  const policy = oneOf("BERTH_ISSUER_POLICY", ["open", "registered"], "open");
  if (policy === "registered") problem("BERTH_ISSUER_POLICY=registered is not supported by this version: unset it");
  const secretKeys = secret(
    "BERTH_SECRET_KEY",
    (name, value) =>
      readSecretKeys(value) ??
      problem(`${name} must be 32 bytes in base64 (try: openssl rand -base64 32), or several separated by commas`),
  );
  const adminToken = secret("BERTH_ADMIN_TOKEN", readAdminToken);
  const databaseUrl = secret("DATABASE_URL", readDatabaseUrl);

  const config: Config = {
    host,
    port,
    publicUrl,
    ...(tls && { tls }),
    ...(databaseUrl && { databaseUrl }),
    dataDir: text("DATA_DIR") ?? "./data",
    ...(adminToken && { adminToken }),
    ...(secretKeys && { secretKeys }),
    audiences: list("BERTH_AUDIENCE", isPlainText, "printable text") ?? [publicUrl],
    allowInsecureIssuers: boolean("BERTH_ALLOW_INSECURE_ISSUERS"),
    registryService: readService(),
    robotTokenTtl: integer("BERTH_ROBOT_TOKEN_TTL", 3600, limits.robotToken.minSeconds, limits.robotToken.maxSeconds),
    registryTokenTtl: integer(
      "BERTH_REGISTRY_TOKEN_TTL",
      900,
      limits.registryToken.minSeconds,
      limits.registryToken.maxSeconds,
    ),
    trustedProxies: list("BERTH_TRUSTED_PROXIES", ipaddr.isValidCIDR, "CIDRs such as 10.0.0.0/8") ?? [],
    logLevel: oneOf("LOG_LEVEL", logLevels, "info"),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;

  function text(name: string): string | undefined {
    return environment[name]?.trim() || undefined;
  }

  function integer(name: string, fallback: number, min: number, max: number): number {
    const value = text(name);
    if (value === undefined) return fallback;
    const number = /^[0-9]{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    problem(`${name} must be a whole number from ${min} to ${max}, and is ${JSON.stringify(value)}`);
    return fallback;
  }

  function boolean(name: string): boolean {
    return oneOf(name, ["true", "false"], "false") === "true";
  }

  function oneOf<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const value = text(name);
    if (value === undefined) return fallback;
    const found = values.find((one) => one === value);
    if (!found) problem(`${name} must be one of ${values.join(", ")}, and is ${JSON.stringify(value)}`);
    return found ?? fallback;
  }

  function list(name: string, isGood: (item: string) => boolean, what: string): readonly string[] | undefined {
    const items = text(name)
      ?.split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
    const bad = items?.filter((item) => !isGood(item)) ?? [];
    if (bad.length > 0) problem(`${name} must list ${what}, separated by commas; it holds ${JSON.stringify(bad[0])}`);
    return items?.length === 0 ? undefined : items;
  }

  /** A problem with a secret never quotes it. */
  function secret<T>(name: string, read: (name: string, value: string) => T | undefined): T | undefined {
    const file = text(`${name}_FILE`);
    const value = text(name);
    if (file && value) return problem(`${name} and ${name}_FILE are both set: unset one`);
    if (!file) return value === undefined ? undefined : read(name, value);
    try {
      const content = readFile(file).trim();
      return content === "" ? problem(`${name}_FILE names an empty file: ${file}`) : read(name, content);
    } catch {
      return problem(`${name}_FILE names a file that cannot be read: ${file}`);
    }
  }

  function readTls(): Config["tls"] {
    const certFile = text("TLS_CERT_FILE");
    const keyFile = text("TLS_KEY_FILE");
    if (!certFile && !keyFile) return undefined;
    if (!certFile || !keyFile) return problem("TLS_CERT_FILE and TLS_KEY_FILE go together: set both or none");
    for (const [name, path] of [
      ["TLS_CERT_FILE", certFile],
      ["TLS_KEY_FILE", keyFile],
    ] as const) {
      try {
        readFile(path);
      } catch {
        problem(`${name} names a file that cannot be read: ${path}`);
      }
    }
    return { certFile, keyFile };
  }

  function readPublicUrl(): string {
    const shown = host.includes(":") ? `[${host}]` : host;
    const fallback = `${tls ? "https" : "http"}://${shown}:${port}`;
    const value = text("PUBLIC_URL") ?? fallback;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    const isOrigin = url && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href;
    if (!isOrigin) {
      problem(`PUBLIC_URL must be an http or https URL without a path, and is ${JSON.stringify(value)}`);
      return fallback;
    }
    if (url.protocol === "http:" && !isLoopback(url.hostname) && !boolean("BERTH_ALLOW_HTTP")) {
      problem(
        `PUBLIC_URL is ${JSON.stringify(value)}, and http off loopback gives tokens away: use https (PUBLIC_URL, with TLS_CERT_FILE and TLS_KEY_FILE or a proxy), or set BERTH_ALLOW_HTTP=true`,
      );
    }
    return url.origin;
  }

  function readService(): string {
    const service = text("BERTH_REGISTRY_SERVICE") ?? new URL(publicUrl).host;
    if (!/^[\x21-\x7e]{1,255}$/.test(service) || /["\\]/.test(service)) {
      problem("BERTH_REGISTRY_SERVICE must have 1 to 255 ASCII characters, and no space, quote or backslash");
    }
    return service;
  }

  function readAdminToken(name: string, value: string): Secret | undefined {
    return /^[\x21-\x7e]{20,512}$/.test(value)
      ? new Secret(value)
      : problem(`${name} must have 20 to 512 printable characters and no space`);
  }

  function readDatabaseUrl(name: string, value: string): Secret | undefined {
    return /^postgres(ql)?:\/\//.test(value) && URL.canParse(value)
      ? new Secret(value)
      : problem(`${name} must start with postgres:// and be a URL`);
  }
}

/** Reads sealing keys, the first of which seals: 32 bytes each in base64, separated by commas. */
export function readSecretKeys(value: string): readonly Secret<Uint8Array<ArrayBuffer>>[] | undefined {
  const keys = value.split(",").map((key) => decodeKey(key.trim()));
  const good = keys.filter((key) => key !== undefined);
  return good.length === keys.length ? good.map((key) => new Secret(key)) : undefined;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function decodeKey(base64: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9+/]{43}=?$/.test(base64)) return undefined;
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
