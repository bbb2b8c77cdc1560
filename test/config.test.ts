import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Config, ConfigError, readConfig, readSecretKeys } from "../src/config.ts";
import type { Environment } from "../src/environment.ts";

const key = Buffer.alloc(32, 1).toString("base64");
const otherKey = Buffer.alloc(32, 2).toString("base64");
const adminToken = "an-admin-token-of-some-length";
const databaseUrl = "postgres://berth:hunter2@db.example/berth";

const files: Readonly<Record<string, string>> = {
  "/run/token": `${adminToken}\n`,
  "/run/key": `${key}\n`,
  "/run/database": databaseUrl,
  "/run/empty": " \n",
  "/run/cert.pem": "a certificate",
  "/run/key.pem": "a key",
};

function read(environment: Environment = {}): Config {
  return readConfig(environment, (path) => {
    const content = files[path];
    if (content === undefined) throw new Error(`ENOENT: ${path}`);
    return content;
  });
}

function problems(environment: Environment): readonly string[] {
  try {
    read(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe("the configuration", () => {
  it("needs nothing, and is then what the contract says", () => {
    expect(read()).toEqual({
      host: "127.0.0.1",
      port: 8080,
      publicUrl: "http://127.0.0.1:8080",
      dataDir: "./data",
      audiences: ["http://127.0.0.1:8080"],
      allowHttp: false,
      allowInsecureIssuers: false,
      issuerPolicy: "open",
      rateLimits: {
        exchangesPerAddress: 600,
        refusalsPerAddress: 120,
        exchangesPerRobot: 600,
        exchangesPerIssuer: 6000,
        loginFailuresPerAddress: 120,
        exempt: [],
      },
      unprovedPerMinute: 120,
      auditRetentionDays: 400,
      registryService: "127.0.0.1:8080",
      robotTokenTtl: 3600,
      registryTokenTtl: 900,
      trustedProxies: [],
      logLevel: "info",
      maxStaleness: 1,
      metricsPublic: false,
      drainDelay: 0,
    });
  });

  it("takes what is set and empty for unset", () => {
    const names = ["HOST", "PORT", "PUBLIC_URL", "DATABASE_URL", "BERTH_SECRET_KEY", "BERTH_AUDIENCE", "LOG_LEVEL"];
    expect(read(Object.fromEntries(names.map((name) => [name, " "])))).toEqual(read());
  });

  it.each<[string, string, Partial<Config>]>([
    ["HOST", "0.0.0.0", { host: "0.0.0.0" }],
    ["PORT", "9000", { port: 9000, publicUrl: "https://berth.example" }],
    ["PORT", "65535", { port: 65535 }],
    ["BERTH_ISSUER_POLICY", "registered", { issuerPolicy: "registered" }],
    ["BERTH_AUDIT_REFUSALS_PER_MINUTE", "7", { unprovedPerMinute: 7 }],
    ["BERTH_AUDIT_RETENTION_DAYS", "0", { auditRetentionDays: 0 }],
    ["BERTH_AUDIT_RETENTION_DAYS", "36500", { auditRetentionDays: 36_500 }],
    [
      "BERTH_RATE_LIMIT_EXEMPT",
      "10.0.0.0/8, fd00::/8",
      { rateLimits: expect.objectContaining({ exempt: ["10.0.0.0/8", "fd00::/8"] }) },
    ],
    [
      "BERTH_RATE_LIMIT_REFUSALS_PER_ADDRESS",
      "7",
      { rateLimits: expect.objectContaining({ refusalsPerAddress: 7, exchangesPerAddress: 600 }) },
    ],
    ["PUBLIC_URL", "https://r.example/", { publicUrl: "https://r.example", registryService: "r.example" }],
    [
      "PUBLIC_URL",
      "https://r.example:8443",
      { publicUrl: "https://r.example:8443", registryService: "r.example:8443" },
    ],
    ["PUBLIC_URL", "http://localhost:8080", { publicUrl: "http://localhost:8080" }],
    ["PUBLIC_URL", "http://[::1]:8080", { publicUrl: "http://[::1]:8080" }],
    ["DATA_DIR", "/var/lib/berth", { dataDir: "/var/lib/berth" }],
    ["BERTH_AUDIENCE", "a, https://b.example ,", { audiences: ["a", "https://b.example"] }],
    ["BERTH_ISSUER_POLICY", "open", {}],
    ["BERTH_ALLOW_INSECURE_ISSUERS", "true", { allowInsecureIssuers: true }],
    ["BERTH_ALLOW_INSECURE_ISSUERS", "false", { allowInsecureIssuers: false }],
    ["BERTH_REGISTRY_SERVICE", "registry.example:5000", { registryService: "registry.example:5000" }],
    ["BERTH_ROBOT_TOKEN_TTL", "60", { robotTokenTtl: 60 }],
    ["BERTH_ROBOT_TOKEN_TTL", "3600", { robotTokenTtl: 3600 }],
    ["BERTH_REGISTRY_TOKEN_TTL", "60", { registryTokenTtl: 60 }],
    ["BERTH_REGISTRY_TOKEN_TTL", "3600", { registryTokenTtl: 3600 }],
    ["BERTH_TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8", { trustedProxies: ["10.0.0.0/8", "fd00::/8"] }],
    ["LOG_LEVEL", "debug", { logLevel: "debug" }],
  ])("takes %s=%s", (name, value, expected) => {
    expect(read({ PUBLIC_URL: "https://berth.example", [name]: value })).toMatchObject(expected);
  });

  it.each([
    ["HOST", "not a host"],
    ["BERTH_AUDIT_RETENTION_DAYS", "-1"],
    ["BERTH_AUDIT_RETENTION_DAYS", "36501"],
    ["BERTH_AUDIT_RETENTION_DAYS", "1.5"],
    ["PORT", "0"],
    ["PORT", "65536"],
    ["PORT", "80.5"],
    ["PORT", "http"],
    ["PORT", "-1"],
    ["PUBLIC_URL", "berth.example"],
    ["PUBLIC_URL", "ftp://berth.example"],
    ["PUBLIC_URL", "https://berth.example/base"],
    ["PUBLIC_URL", "https://berth.example?x"],
    ["PUBLIC_URL", "https://user@berth.example"],
    ["PUBLIC_URL", "http://berth.example"],
    ["PUBLIC_URL", "http://127.0.0.1.example"],
    ["DATABASE_URL", "mysql://db.example/berth"],
    ["DATABASE_URL", "postgres://["],
    ["BERTH_ADMIN_TOKEN", "short"],
    ["BERTH_ADMIN_TOKEN", "with a space but long enough"],
    ["BERTH_ADMIN_TOKEN", "ä".repeat(30)],
    ["BERTH_SECRET_KEY", "c2hvcnQ="],
    ["BERTH_SECRET_KEY", `${key},`],
    ["BERTH_SECRET_KEY", `${key},c2hvcnQ=`],
    ["BERTH_SECRET_KEY", Buffer.alloc(33).toString("base64")],
    ["BERTH_AUDIENCE", "a\u0007b"],
    ["BERTH_ISSUER_POLICY", "closed"],
    ["BERTH_ALLOW_INSECURE_ISSUERS", "yes"],
    ["BERTH_ALLOW_HTTP", "yes"],
    ["BERTH_REGISTRY_SERVICE", "my registry"],
    ["BERTH_REGISTRY_SERVICE", 'registry"'],
    ["BERTH_ROBOT_TOKEN_TTL", "59"],
    ["BERTH_ROBOT_TOKEN_TTL", "3601"],
    ["BERTH_ROBOT_TOKEN_TTL", "1h"],
    ["BERTH_REGISTRY_TOKEN_TTL", "59"],
    ["BERTH_REGISTRY_TOKEN_TTL", "3601"],
    ["BERTH_MAX_STALENESS", "soon"],
    ["BERTH_RATE_LIMITS", "sometimes"],
    ["BERTH_METRICS_PUBLIC", "yes"],
    ["BERTH_PROXY_RESOLVES", "yes"],
    ["NO_PROXY", "10.0.0.0/33"],
    ["NO_PROXY", "localhost 127.0.0.1"],
    ["HTTPS_PROXY", "proxy.example:3128"],
    ["HTTPS_PROXY", "socks5://proxy.example:1080"],
    ["HTTPS_PROXY", "http://proxy.example/path"],
    ["HTTPS_PROXY", "http://proxy.example?query"],
    ["HTTPS_PROXY", "http://proxy.example#fragment"],
    ["HTTPS_PROXY", "http://%zz@proxy.example"],
    ["BERTH_TRUSTED_PROXIES", "10.0.0.1"],
    ["BERTH_TRUSTED_PROXIES", "10.0.0.0/33"],
    ["LOG_LEVEL", "verbose"],
    ["TLS_CERT_FILE", "/run/cert.pem"],
    ["TLS_KEY_FILE", "/run/key.pem"],
  ])("refuses %s=%s, and says which it is", (name, value) => {
    const told = problems({ [name]: value });
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(name);
  });

  it("refuses a state file that cannot be read", () => {
    expect(problems({ BERTH_STATE_FILE: "/etc/berth/state.json" })).toEqual([
      "BERTH_STATE_FILE names a file that cannot be read: /etc/berth/state.json",
    ]);
  });

  it("tells every problem at once", () => {
    const told = problems({
      PORT: "x",
      PUBLIC_URL: "x",
      DATABASE_URL: "x",
      BERTH_ADMIN_TOKEN: "x",
      BERTH_SECRET_KEY: "x",
      BERTH_ISSUER_POLICY: "x",
      BERTH_ALLOW_INSECURE_ISSUERS: "x",
      BERTH_ROBOT_TOKEN_TTL: "x",
      BERTH_REGISTRY_TOKEN_TTL: "x",
      BERTH_TRUSTED_PROXIES: "x",
      LOG_LEVEL: "x",
    });
    expect(told).toHaveLength(11);
  });

  it("is read or refused for any values, and never breaks", () => {
    const names = ["HOST", "PORT", "PUBLIC_URL", "DATABASE_URL", "BERTH_AUDIENCE", "BERTH_REGISTRY_SERVICE"];
    const environments = fc.record(
      Object.fromEntries(names.map((name) => [name, fc.oneof(fc.string(), fc.webUrl(), fc.domain())])),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(environments, (environment) => {
        expect(problems(environment)).toBeInstanceOf(Array);
      }),
    );
  });
});

describe("PUBLIC_URL", () => {
  it("follows HOST, PORT and TLS where it is unset", () => {
    const tls = { TLS_CERT_FILE: "/run/cert.pem", TLS_KEY_FILE: "/run/key.pem" };
    expect(read({ HOST: "::1", PORT: "9000" }).publicUrl).toBe("http://[::1]:9000");
    expect(read({ ...tls, HOST: "berth.example", PORT: "443" })).toMatchObject({
      publicUrl: "https://berth.example",
      tls: { certFile: "/run/cert.pem", keyFile: "/run/key.pem" },
    });
  });

  it("may be http off loopback only where that is said aloud", () => {
    expect(problems({ PUBLIC_URL: "http://berth.internal" })[0]).toContain("BERTH_ALLOW_HTTP=true");
    expect(problems({ HOST: "0.0.0.0" })).toHaveLength(1);
    expect(read({ PUBLIC_URL: "http://berth.internal", BERTH_ALLOW_HTTP: "true" }).publicUrl).toBe(
      "http://berth.internal",
    );
  });
});

describe("TLS", () => {
  it("needs files that can be read", () => {
    expect(problems({ TLS_CERT_FILE: "/run/none.pem", TLS_KEY_FILE: "/run/none.key" })).toEqual([
      "TLS_CERT_FILE names a file that cannot be read: /run/none.pem",
      "TLS_KEY_FILE names a file that cannot be read: /run/none.key",
    ]);
  });
});

describe("the forward proxy", () => {
  const url = "http://berth:hunter2@proxy.example:3128";

  it("is there only where HTTPS_PROXY is", () => {
    expect(read({ NO_PROXY: "*", BERTH_PROXY_RESOLVES: "true" })).not.toHaveProperty("proxy");
    expect(read({ HTTPS_PROXY: url }).proxy).toMatchObject({ noProxy: [], resolves: false });
    expect(read({ HTTPS_PROXY: "https://proxy.example/" }).proxy?.url.reveal()).toBe("https://proxy.example/");
  });

  it("comes with the hosts that are reached without it, and with who resolves names", () => {
    const noProxy = [".corp.example", "keycloak.example:8443", "10.0.0.0/8", "::1", "[fd00::1]:443", "*"];
    expect(read({ HTTPS_PROXY: url, NO_PROXY: noProxy.join(", "), BERTH_PROXY_RESOLVES: "true" }).proxy).toMatchObject({
      noProxy,
      resolves: true,
    });
  });
});

describe("a secret", () => {
  it("comes by its own name or from a file", () => {
    const direct = read({ BERTH_ADMIN_TOKEN: adminToken, BERTH_SECRET_KEY: key, DATABASE_URL: databaseUrl });
    const filed = read({
      BERTH_ADMIN_TOKEN_FILE: "/run/token",
      BERTH_SECRET_KEY_FILE: "/run/key",
      DATABASE_URL_FILE: "/run/database",
    });
    for (const config of [direct, filed]) {
      expect(config.adminToken?.reveal()).toBe(adminToken);
      expect(config.databaseUrl?.reveal()).toBe(databaseUrl);
      expect(config.secretKeys?.map((one) => Buffer.from(one.reveal()).toString("base64"))).toEqual([key]);
    }
  });

  it("does not come both ways", () => {
    expect(problems({ BERTH_ADMIN_TOKEN: adminToken, BERTH_ADMIN_TOKEN_FILE: "/run/token" })).toEqual([
      "BERTH_ADMIN_TOKEN and BERTH_ADMIN_TOKEN_FILE are both set: unset one",
    ]);
  });

  it.each(["BERTH_ADMIN_TOKEN", "BERTH_SECRET_KEY", "DATABASE_URL", "HTTPS_PROXY"])(
    "%s does not come from a file that is empty or not there",
    (name) => {
      expect(problems({ [`${name}_FILE`]: "/run/none" })).toEqual([
        `${name}_FILE names a file that cannot be read: /run/none`,
      ]);
      expect(problems({ [`${name}_FILE`]: "/run/empty" })).toEqual([`${name}_FILE names an empty file: /run/empty`]);
    },
  );

  it("is never quoted in what is wrong with it, nor shown by the configuration", () => {
    const secret = "hunter2 has a space";
    for (const name of ["BERTH_ADMIN_TOKEN", "BERTH_SECRET_KEY", "DATABASE_URL", "HTTPS_PROXY"]) {
      const [told] = problems({ [name]: secret });
      expect(told).toContain(name);
      expect(told).not.toContain("hunter2");
    }
    const config = read({
      BERTH_ADMIN_TOKEN: adminToken,
      BERTH_SECRET_KEY: key,
      DATABASE_URL: databaseUrl,
      HTTPS_PROXY: "http://berth:hunter2@proxy.example:3128",
    });
    for (const shown of [adminToken, key, "hunter2"]) expect(JSON.stringify(config)).not.toContain(shown);
  });
});

describe("the sealing keys", () => {
  it("are a list while they are being changed, the first one first", () => {
    const keys = readSecretKeys(`${otherKey}, ${key}`);
    expect(keys?.map((one) => Buffer.from(one.reveal()).toString("base64"))).toEqual([otherKey, key]);
  });

  it("may leave out their padding", () => {
    expect(readSecretKeys(key.replace("=", ""))).toHaveLength(1);
  });
});
