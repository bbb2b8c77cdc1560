import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import type { RegistryFacts } from "../../src/services/registry-config/facts.ts";
import {
  type RegistryConfigFormat,
  registryConfig,
  registryConfigFormats,
} from "../../src/services/registry-config/registry-config.ts";
import { createCertificateAuthority } from "../support/certificate-authority.ts";

let facts: RegistryFacts;

beforeAll(async () => {
  const authorities = await Promise.all([createCertificateAuthority("one"), createCertificateAuthority("two")]);
  facts = {
    service: "registry.example:5000",
    host: "registry.example",
    realm: "https://berth.example/v2/auth",
    issuer: "https://berth.example",
    keyProfile: "x5c",
    certificates: authorities.map(({ certificate }) => `${certificate}\n`).join(""),
    certificatesUrl: "https://berth.example/registries/registry.example%3A5000/certs.pem",
    jwksUrl: "https://berth.example/registries/registry.example%3A5000/jwks.json",
  };
});

const text = (format: RegistryConfigFormat, given: Partial<RegistryFacts> = {}) =>
  registryConfig(format, { ...facts, ...given }).body;

const documents = (given: Partial<RegistryFacts> = {}) =>
  parseAllDocuments(text("kubernetes", given)).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  });

/** What Distribution makes of variables: the value of each is YAML. */
const readVariables = (variables: Record<string, string>) =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, parse(value, { version: "1.1" })]));

/** What docker makes of an --env-file. */
const readEnvFile = (file: string) =>
  Object.fromEntries(
    file
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );

/** What Compose and Kubernetes make of a value without variables in it. */
const undoubled = (variables: Record<string, string>) => {
  const values = Object.entries(variables).map(([name, value]) => {
    expect(value.replaceAll("$$", "")).not.toContain("$");
    return [name, value.replaceAll("$$", () => "$")];
  });
  return Object.fromEntries(values);
};

const readComposeVariables = (given: Partial<RegistryFacts> = {}) =>
  readVariables(undoubled(parse(text("compose", given)).services.registry.environment));

const readKubernetesVariables = (given: Partial<RegistryFacts> = {}) => {
  const [container] = documents(given)[2].spec.template.spec.containers;
  const variables = container.env.map(({ name, value }: { name: string; value: string }) => [name, value]);
  return readVariables(undoubled(Object.fromEntries(variables)));
};

const tokenVariables = {
  REGISTRY_AUTH: "token",
  REGISTRY_AUTH_TOKEN_REALM: "https://berth.example/v2/auth",
  REGISTRY_AUTH_TOKEN_SERVICE: "registry.example:5000",
  REGISTRY_AUTH_TOKEN_ISSUER: "https://berth.example",
  REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE: "/etc/berth/certs.pem",
};

describe("distribution", () => {
  it("is the auth section of config.yml", () => {
    const { realm, service, issuer } = facts;
    const token = { realm, service, issuer, rootcertbundle: "/etc/berth/certs.pem" };
    expect(parse(text("distribution"))).toEqual({ auth: { token } });
    const withKid = { auth: { token: { ...token, jwks: "/etc/berth/jwks.json" } } };
    expect(parse(text("distribution", { keyProfile: "kid" }))).toEqual(withKid);
  });

  it("says how to fetch every file that it names", () => {
    const commands = (given: Partial<RegistryFacts>) =>
      [...text("distribution", given).matchAll(/^# {3}(curl .*)$/gm)].map(([, command]) => command);
    const certificates = `curl -fsS --create-dirs -o /etc/berth/certs.pem '${facts.certificatesUrl}'`;
    const jwks = `curl -fsS --create-dirs -o /etc/berth/jwks.json '${facts.jwksUrl}'`;
    expect(commands({})).toEqual([certificates]);
    expect(commands({ keyProfile: "kid" })).toEqual([certificates, jwks]);
    const quoted = "'https://berth.example/registries/o'\\''clock/certs.pem'";
    const odd = commands({ certificatesUrl: "https://berth.example/registries/o'clock/certs.pem" });
    expect(odd).toEqual([`curl -fsS --create-dirs -o /etc/berth/certs.pem ${quoted}`]);
  });

  it.each([
    ["x5c", "before the authority is rotated"],
    ["kid", "before a signing key is rotated"],
  ] as const)("says of %s when the registry has to be restarted", (keyProfile, when) => {
    for (const format of ["distribution", "env"] as const) expect(text(format, { keyProfile })).toContain(when);
    for (const format of ["compose", "kubernetes"] as const) {
      expect(text(format, { keyProfile })).toContain(`# ${when.replace("b", "B")}`);
    }
  });
});

describe("env", () => {
  it("is the same for docker run", () => {
    expect(readVariables(readEnvFile(text("env")))).toEqual(tokenVariables);
    const withKid = { ...tokenVariables, REGISTRY_AUTH_TOKEN_JWKS: "/etc/berth/jwks.json" };
    expect(readVariables(readEnvFile(text("env", { keyProfile: "kid" })))).toEqual(withKid);
  });

  it("leaves a service that looks like a number a string", () => {
    expect(readEnvFile(text("env", { service: "5000" })).REGISTRY_AUTH_TOKEN_SERVICE).toBe('"5000"');
  });

  it.each([
    ["localhost:5001", "127.0.0.1:5001:5000"],
    ["127.0.0.1:6000", "127.0.0.1:6000:5000"],
    ["[::1]:7000", "127.0.0.1:7000:5000"],
    ["localhost", "127.0.0.1:5000:5000"],
    ["registry.example:443", "127.0.0.1:5000:5000"],
  ])("publishes the registry of %s at %s", (host, published) => {
    expect(text("env", { host })).toContain(`--publish ${published} `);
    expect(parse(text("compose", { host })).services.registry.ports).toEqual([published]);
  });
});

describe("compose", () => {
  it("runs a registry that has its certificates with it", () => {
    const { services, configs, volumes } = parse(text("compose"));
    expect(readComposeVariables()).toEqual(tokenVariables);
    expect(services.registry.configs).toEqual([{ source: "certificates", target: "/etc/berth/certs.pem" }]);
    expect(configs).toEqual({ certificates: { content: facts.certificates.replaceAll("\n\n", "\n") } });
    expect(services.registry.volumes).toEqual(["images:/var/lib/registry"]);
    expect(volumes).toEqual({ images: null });
  });
});

describe("kubernetes", () => {
  it("runs a registry that has its certificates with it", () => {
    const [configMap, claim, deployment, service] = documents();
    expect(readKubernetesVariables()).toEqual(tokenVariables);
    expect(configMap.data["certs.pem"]).toBe(facts.certificates.replaceAll("\n\n", "\n"));
    const { volumes, containers, enableServiceLinks } = deployment.spec.template.spec;
    const name = "registry-registry-example-x3a-5000";
    expect(volumes).toEqual([
      { name: "certificates", configMap: { name } },
      { name: "images", persistentVolumeClaim: { claimName: name } },
    ]);
    expect(containers[0].volumeMounts).toEqual([
      { name: "certificates", mountPath: "/etc/berth" },
      { name: "images", mountPath: "/var/lib/registry" },
    ]);
    expect(enableServiceLinks).toBe(false);
    for (const { metadata } of [configMap, claim, deployment, service]) expect(metadata).toEqual({ name });
    expect(service.spec.selector).toEqual(deployment.spec.template.metadata.labels);
    expect(deployment.spec.selector.matchLabels).toEqual(deployment.spec.template.metadata.labels);
  });

  it.each([
    ["registry.example", "registry-registry-example"],
    ["registry-example", "registry-registry--example"],
    ["Registry.Example:5000", "registry-registry-example-x3a-5000"],
    ["-", "registry"],
    ["a".repeat(100), `registry-${"a".repeat(54)}`],
    [`${"a".repeat(53)}..b`, `registry-${"a".repeat(53)}`],
  ])("calls what runs %s by a legal name", (service, name) => {
    expect(documents({ service })[3].metadata.name).toBe(name);
  });
});

describe("zot", () => {
  it("is a whole configuration that takes tokens for bearers", () => {
    const { http, ...rest } = JSON.parse(text("zot", { keyProfile: "kid" }));
    const { realm, service } = facts;
    expect(http).toEqual({
      address: "0.0.0.0",
      port: "5000",
      auth: { bearer: { realm, service, cert: "/etc/berth/certs.pem" } },
    });
    expect(Object.keys(rest)).toEqual(["distSpecVersion", "storage", "log"]);
  });
});

it("says what each format is", () => {
  const types = registryConfigFormats.map((format) => [format, registryConfig(format, facts).contentType]);
  expect(Object.fromEntries(types)).toEqual({
    distribution: "application/yaml",
    zot: "application/json",
    compose: "application/yaml",
    kubernetes: "application/yaml",
    env: "text/plain; charset=utf-8",
  });
});

it("takes nothing of the certificates but certificates", () => {
  const certificates = `subject=/CN=one\n${facts.certificates}\n---\nkind: Secret\n`;
  const [configMap, ...rest] = documents({ certificates });
  expect(configMap.data["certs.pem"]).toBe(documents()[0].data["certs.pem"]);
  expect(rest).toHaveLength(3);
});

it("gives back whatever it was given, and is never more than that", () => {
  const nasty = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 30 }),
    fc.string({
      unit: fc.constantFrom("$", "{", "}", "(", ")", "'", '"', "\\", ":", " ", "#", "\n", "\u0085", "\u2028", "A"),
    }),
    fc.constantFrom("5000", "true", "null", "1:30", "~", "2001-01-01", "$HOME", "$(HOSTNAME)", "$$", "]]>", "a\n---\n"),
  );
  fc.assert(
    fc.property(nasty, nasty, nasty, (service, realm, issuer) => {
      const given = { service, realm, issuer };
      const expected = {
        ...tokenVariables,
        REGISTRY_AUTH_TOKEN_REALM: realm,
        REGISTRY_AUTH_TOKEN_SERVICE: service,
        REGISTRY_AUTH_TOKEN_ISSUER: issuer,
      };
      const { token } = parse(text("distribution", given), { version: "1.1" }).auth;
      expect(token).toEqual({ ...given, rootcertbundle: "/etc/berth/certs.pem" });
      expect(readVariables(readEnvFile(text("env", given)))).toEqual(expected);
      expect(readComposeVariables(given)).toEqual(expected);
      expect(readKubernetesVariables(given)).toEqual(expected);
      expect(JSON.parse(text("zot", given)).http.auth.bearer).toMatchObject({ service, realm });
    }),
  );
});
