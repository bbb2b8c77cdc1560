import ipaddr from "ipaddr.js";
import { isService, serviceRule } from "./domain/registry-settings.ts";
import { Secret } from "./domain/secret.ts";
import { isPlainText } from "./domain/text.ts";
import { createReader, type Environment, type Reader } from "./environment.ts";
import { limits } from "./limits.ts";
import { isNoProxyItem } from "./oidc/no-proxy.ts";
import { readTracing, type TracingConfig } from "./tracing-config.ts";

export interface Config {
  readonly host: string;
  readonly port: number;
  /** An origin, without a final slash. */
  readonly publicUrl: string;
  /** Whether http off loopback is allowed. */
  readonly allowHttp: boolean;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly databaseUrl?: Secret;
  readonly dataDir: string;
  readonly adminToken?: Secret;
  /** 32 bytes each; the first one seals. */
  readonly secretKeys?: readonly Secret<Uint8Array<ArrayBuffer>>[];
  readonly audiences: readonly string[];
  readonly allowInsecureIssuers: boolean;
  /** `registered`: only issuers that a superuser registered are trusted. */
  readonly issuerPolicy: IssuerPolicy;
  /** Absent: there are none. */
  readonly rateLimits?: RateLimits;
  /** Refusals that proved nothing, recorded a minute; the others are counted. */
  readonly unprovedPerMinute: number;
  /** 0: for ever. */
  readonly auditRetentionDays: number;
  readonly registryService: string;
  /** Where the document is that the service is made to be like at start. */
  readonly stateFile?: string;
  /** Seconds. */
  readonly robotTokenTtl: number;
  /** Seconds. */
  readonly registryTokenTtl: number;
  /** Seconds that what is remembered may serve while the database is not heard; 0: nothing is remembered. */
  readonly maxStaleness: number;
  /** Seconds that a process which is to stop still takes new connections. */
  readonly drainDelay: number;
  /** CIDRs. */
  readonly trustedProxies: readonly string[];
  readonly logLevel: LogLevel;
  /** Whether whoever reaches `/metrics` may read it. */
  readonly metricsPublic: boolean;
  /** Absent: no traces are sent. */
  readonly tracing?: TracingConfig;
  readonly proxy?: ProxyConfig;
}

/** The forward proxy by which https issuers are reached. */
export interface ProxyConfig {
  /** With the proxy's user and password, if it has any. */
  readonly url: Secret;
  readonly noProxy: readonly string[];
  /** Whether the proxy resolves names, so that their addresses go by its policy rather than by Berth's. */
  readonly resolves: boolean;
}

export const issuerPolicies = ["open", "registered"] as const;
export type IssuerPolicy = (typeof issuerPolicies)[number];

/** Exchanges and failed logins a minute. */
export interface RateLimits {
  readonly exchangesPerAddress: number;
  readonly refusalsPerAddress: number;
  readonly exchangesPerRobot: number;
  readonly exchangesPerIssuer: number;
  readonly loginFailuresPerAddress: number;
  /** CIDRs that the limits of addresses do not hold for. */
  readonly exempt: readonly string[];
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

/**
 * Reads the configuration. Where `NAME_FILE` is set, the secret `NAME` is that file's text.
 *
 * @param readFile reads a text file; throws when it cannot
 * @throws {ConfigError}
 */
export function readConfig(environment: Environment, readFile: (path: string) => string): Config {
  const reader = createReader(environment, readFile);
  const host = readHost(reader);
  const port = reader.integer("PORT", 8080, 1, 65535);
  const tls = readTls(reader, readFile);
  const allowHttp = reader.boolean("BERTH_ALLOW_HTTP");
  const publicUrl = readPublicUrl(
    reader,
    allowHttp,
    `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`,
  );
  const databaseUrl = reader.secret("DATABASE_URL", parseDatabaseUrl, "must start with postgres:// and be a URL");
  const adminToken = reader.secret(
    "BERTH_ADMIN_TOKEN",
    parseAdminToken,
    "must have 20 to 512 printable ASCII characters and no space (try: openssl rand -base64 32)",
  );
  const secretKeys = reader.secret(
    "BERTH_SECRET_KEY",
    readSecretKeys,
    "must be 32 bytes in base64 (try: openssl rand -base64 32), or several separated by commas",
  );
  const proxy = readProxy(reader);
  const tracing = readTracing(reader);
  const rateLimits = readRateLimits(reader);
  const stateFile = readFilePath(reader, "BERTH_STATE_FILE", readFile);
  const { robotToken, registryToken } = limits;
  const config: Config = {
    host,
    port,
    publicUrl,
    allowHttp,
    ...(tls && { tls }),
    ...(databaseUrl && { databaseUrl }),
    dataDir: reader.text("DATA_DIR") ?? "./data",
    ...(adminToken && { adminToken }),
    ...(secretKeys && { secretKeys }),
    audiences: reader.list("BERTH_AUDIENCE", isPlainText, "printable text") ?? [publicUrl],
    allowInsecureIssuers: reader.boolean("BERTH_ALLOW_INSECURE_ISSUERS"),
    issuerPolicy: reader.oneOf("BERTH_ISSUER_POLICY", issuerPolicies, "open"),
    ...(rateLimits && { rateLimits }),
    unprovedPerMinute: reader.integer("BERTH_AUDIT_REFUSALS_PER_MINUTE", limits.audit.unprovedPerMinute, 1, 1_000_000),
    auditRetentionDays: reader.integer(
      "BERTH_AUDIT_RETENTION_DAYS",
      limits.audit.keepDays.default,
      0,
      limits.audit.keepDays.max,
    ),
    registryService: readService(reader, publicUrl),
    ...(stateFile !== undefined && { stateFile }),
    drainDelay: reader.integer("BERTH_DRAIN_DELAY", 0, 0, 300),
    maxStaleness: reader.integer("BERTH_MAX_STALENESS", 1, 0, 86_400),
    robotTokenTtl: reader.integer("BERTH_ROBOT_TOKEN_TTL", 3600, robotToken.minSeconds, robotToken.maxSeconds),
    registryTokenTtl: reader.integer(
      "BERTH_REGISTRY_TOKEN_TTL",
      900,
      registryToken.minSeconds,
      registryToken.maxSeconds,
    ),
    trustedProxies: reader.list("BERTH_TRUSTED_PROXIES", ipaddr.isValidCIDR, "CIDRs such as 10.0.0.0/8") ?? [],
    logLevel: reader.oneOf("LOG_LEVEL", logLevels, "info"),
    metricsPublic: reader.boolean("BERTH_METRICS_PUBLIC"),
    ...(tracing && { tracing }),
    ...(proxy && { proxy }),
  };
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return config;
}

function readFilePath({ text, problem }: Reader, name: string, readFile: (path: string) => string): string | undefined {
  const path = text(name);
  if (path === undefined) return undefined;
  try {
    readFile(path);
    return path;
  } catch {
    return problem(`${name} names a file that cannot be read: ${path}`);
  }
}

function readRateLimits(reader: Reader): RateLimits | undefined {
  const { rates } = limits;
  const perMinute = (name: string, fallback: number) => reader.integer(name, fallback, 1, 1_000_000);
  const figures = {
    exchangesPerAddress: perMinute("BERTH_RATE_LIMIT_EXCHANGES_PER_ADDRESS", rates.exchangesPerAddress),
    refusalsPerAddress: perMinute("BERTH_RATE_LIMIT_REFUSALS_PER_ADDRESS", rates.refusalsPerAddress),
    exchangesPerRobot: perMinute("BERTH_RATE_LIMIT_EXCHANGES_PER_ROBOT", rates.exchangesPerRobot),
    exchangesPerIssuer: perMinute("BERTH_RATE_LIMIT_EXCHANGES_PER_ISSUER", rates.exchangesPerIssuer),
    loginFailuresPerAddress: perMinute("BERTH_RATE_LIMIT_LOGIN_FAILURES_PER_ADDRESS", rates.loginFailuresPerAddress),
    exempt: reader.list("BERTH_RATE_LIMIT_EXEMPT", ipaddr.isValidCIDR, "CIDRs such as 10.0.0.0/8") ?? [],
  };
  return reader.oneOf("BERTH_RATE_LIMITS", ["on", "off"], "on") === "on" ? figures : undefined;
}

function readProxy(reader: Reader): ProxyConfig | undefined {
  const url = reader.secret("HTTPS_PROXY", parseProxyUrl, "must be http:// or https://, [user:password@]host:port");
  const noProxy = reader.list("NO_PROXY", isNoProxyItem, "hosts, .suffixes, addresses and CIDRs, or *") ?? [];
  const resolves = reader.boolean("BERTH_PROXY_RESOLVES");
  return url && { url, noProxy, resolves };
}

function readHost({ text, problem }: Reader): string {
  const host = text("HOST") ?? "127.0.0.1";
  if (ipaddr.isValid(host) || /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(host)) return host;
  problem(`HOST must be an address or a name of this machine, and is ${JSON.stringify(host)}`);
  return "127.0.0.1";
}

function readTls({ text, problem }: Reader, readFile: (path: string) => string): Config["tls"] {
  const certFile = text("TLS_CERT_FILE");
  const keyFile = text("TLS_KEY_FILE");
  if (!certFile && !keyFile) return undefined;
  if (!certFile || !keyFile) return problem("TLS_CERT_FILE and TLS_KEY_FILE go together: set both or none");
  for (const [name, path] of Object.entries({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile })) {
    try {
      readFile(path);
    } catch {
      problem(`${name} names a file that cannot be read: ${path}`);
    }
  }
  return { certFile, keyFile };
}

function readPublicUrl({ text, problem }: Reader, allowHttp: boolean, fallback: string): string {
  const value = text("PUBLIC_URL") ?? fallback;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || `${url.origin}/` !== url.href) {
    problem(`PUBLIC_URL must be an http or https URL without a path, and is ${JSON.stringify(value)}`);
    return "http://invalid.example";
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname) && !allowHttp) {
    problem(
      `PUBLIC_URL is ${JSON.stringify(value)}, and http off loopback gives tokens away: use https (PUBLIC_URL, with TLS_CERT_FILE and TLS_KEY_FILE or a proxy), or set BERTH_ALLOW_HTTP=true`,
    );
  }
  return url.origin;
}

function readService({ text, problem }: Reader, publicUrl: string): string {
  const service = text("BERTH_REGISTRY_SERVICE") ?? new URL(publicUrl).host;
  if (!isService(service)) problem(`BERTH_REGISTRY_SERVICE must have ${serviceRule}`);
  return service;
}

function parseAdminToken(value: string): Secret | undefined {
  return /^[\x21-\x7e]{20,512}$/.test(value) ? new Secret(value) : undefined;
}

function parseProxyUrl(value: string): Secret | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search || url.hash) return undefined;
  try {
    decodeURIComponent(url.username + url.password);
    return new Secret(value);
  } catch {
    return undefined;
  }
}

function parseDatabaseUrl(value: string): Secret | undefined {
  return /^postgres(ql)?:\/\//.test(value) && URL.canParse(value) ? new Secret(value) : undefined;
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
