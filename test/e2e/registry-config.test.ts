import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type Clients, createClients } from "../support/clients.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { fetchCertificates, startConfiguredRegistry, type TestRegistry } from "../support/registry.ts";
import { describeWith } from "../support/requirements.ts";

const certificatesName = "certs.pem";

describeWith(["registry", "podman", "buildah"], "a registry with configuration from Berth", () => {
  let berth: TestBerth;
  let issuer: TestIssuer;
  let clients: Clients;
  let robotToken: string;

  beforeAll(async () => {
    [berth, issuer, clients] = await Promise.all([startBerth(), startIssuer(), createClients("http")]);
    await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
    robotToken = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
  });

  afterAll(() => Promise.all([berth.remove(), issuer.close(), clients.remove()]));

  async function configOf(service: string, format: string): Promise<string> {
    const { status, body } = await berth.api("GET", `/registries/${encodeURIComponent(service)}/config/${format}`);
    expect(status, JSON.stringify(body)).toBe(200);
    return body;
  }

  /** A registry of its own for each, called what a number is called, to see that it stays a name. */
  async function createRegistry(service: string, keyProfile: string): Promise<void> {
    const { status, body } = await berth.api("POST", "/registries", { service, key_profile: keyProfile });
    expect(status, JSON.stringify(body)).toBe(201);
    const { body: grants } = await berth.api("GET", "/organization/acme/robots/ci/grants");
    const grant = { registry: service, repository: "acme/*", actions: ["pull", "push"] };
    const replaced = await berth.api("PUT", "/organization/acme/robots/ci/grants", [...grants, grant]);
    expect(replaced.status, JSON.stringify(replaced.body)).toBe(200);
  }

  async function pushesAndPulls({ host }: TestRegistry): Promise<void> {
    const image = `${host}/acme/app:1`;
    await expect(clients.pull(image)).rejects.toThrow();
    await clients.login("podman", host, "acme+ci", robotToken);
    const built = await clients.build(image, new Uint8Array([1, 2, 3]));
    await clients.push(image);
    expect(built).toContain(await clients.pull(image));
  }

  it.each([
    ["in its config.yml, with x5c", "5001", "x5c", "distribution"],
    ["in its config.yml, with kid", "5002", "kid", "distribution"],
    ["in its environment, with x5c", "5003", "x5c", "env"],
    ["in its environment, with kid", "5004", "kid", "env"],
  ])("takes robot tokens: %s", async (_, service, keyProfile, format) => {
    await createRegistry(service, keyProfile);
    const text = await configOf(service, format);
    const registry = await startConfiguredRegistry({
      port: await freePort(),
      ...(format === "env" ? { environment: readEnvFile(text) } : { auth: text }),
      trust: { [certificatesName]: await fetchCertificates(berth.url, service) },
    });
    try {
      await pushesAndPulls(registry);
    } finally {
      await registry.remove();
    }
  });
});

/** As `docker run --env-file` reads it: a value is what stands there. */
function readEnvFile(text: string): Record<string, string> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}
