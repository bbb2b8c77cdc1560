import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../../src/config.ts";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { describeWith } from "../support/requirements.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const text = read("deploy/compose.yaml");
const { services, volumes } = parse(text);

describe("compose.yaml", () => {
  it("gives Berth an environment, over the image's own, that it starts with", () => {
    const image = [...read("Containerfile").matchAll(/^ENV (.+)$/gm)].flatMap(([, variables = ""]) =>
      variables.split(" ").map((variable) => variable.split("=")),
    );
    const environment = { ...Object.fromEntries(image), ...services.berth.environment };
    expect(readConfig(environment, () => "")).toMatchObject({
      host: "0.0.0.0",
      port: 8080,
      publicUrl: "http://localhost:8080",
      registryService: "localhost:5000",
      dataDir: services.berth.volumes[0].split(":")[1],
    });
  });

  it("publishes every port on loopback alone, since it speaks http", () => {
    const ports = Object.values<{ ports?: string[] }>(services).flatMap((service) => service.ports ?? []);
    expect(ports).toEqual(["127.0.0.1:8080:8080", "127.0.0.1:5000:5000"]);
  });

  it("starts the registry when its certificates are there, and fetches those when Berth is well", () => {
    expect(services.registry.depends_on).toEqual({
      "registry-certificates": { condition: "service_completed_successfully" },
    });
    expect(services["registry-certificates"].depends_on).toEqual({ berth: { condition: "service_healthy" } });
    expect(services.berth.healthcheck.test).toEqual(["CMD", "node", "deploy/healthcheck.js"]);
  });

  it("declares the volumes that it mounts", () => {
    const mounted = Object.values<{ volumes: string[] }>(services).flatMap((service) => service.volumes);
    expect(new Set(mounted.map((volume) => volume.split(":")[0]))).toEqual(new Set(Object.keys(volumes)));
  });
});

describeWith(["registry"], "compose.yaml's registry, as a process with its environment", () => {
  let berth: TestBerth;
  let issuer: TestIssuer;
  let registry: Daemon;
  let directory: string;
  let origin: string;
  let healthUrl: string;

  /** The file with ports that are free here, and Berth where the host finds it. */
  function onPorts(ports: { berth: number; registry: number }) {
    const moved = text
      .replaceAll("http://berth:8080", `http://localhost:${ports.berth}`)
      .replaceAll("localhost:8080", `localhost:${ports.berth}`)
      .replaceAll(/localhost(:|%3A)5000/g, `localhost$1${ports.registry}`)
      .replaceAll("127.0.0.1:5000/", `127.0.0.1:${ports.registry}/`);
    return parse(moved).services;
  }

  beforeAll(async () => {
    const ports = { berth: await freePort(), registry: await freePort() };
    const moved = onPorts(ports);
    origin = `http://localhost:${ports.registry}`;
    directory = await mkdtemp(join(tmpdir(), "berth-compose-"));
    [berth, issuer] = await Promise.all([
      startBerth({ port: ports.berth, environment: moved.berth.environment }),
      startIssuer(),
    ]);
    await berth.createRobot("acme+ci", {
      federation: [{ issuer: issuer.url, subject }],
      grants: [{ repository: "acme/*", actions: ["pull", "push"] }],
    });

    const [program, ...args] = moved["registry-certificates"].entrypoint;
    const bundle = join(directory, "berth.pem");
    expect([program, ...args.slice(0, -1)]).toEqual(["wget", "-q", "-O", "/certificates/berth.pem"]);
    await writeFile(bundle, (await call(args.at(-1))).body);

    const environment = {
      ...moved.registry.environment,
      REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE: bundle,
      REGISTRY_HTTP_ADDR: `127.0.0.1:${ports.registry}`,
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(directory, "data"),
    };
    const config = join(directory, "config.yml");
    await writeFile(config, IMAGE_CONFIG);
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    registry = await startDaemon("env", [...variables, "docker-registry", "serve", config], ports.registry);
    healthUrl = moved.registry.healthcheck.test.at(-1);
  });

  afterAll(async () => {
    await registry.stop();
    await Promise.all([berth.remove(), issuer.close()]);
    await rm(directory, { recursive: true });
  });

  it("passes its health check", async () => {
    expect((await call(healthUrl)).status).toBe(200);
  });

  it("sends a client of the host to Berth, and takes what Berth gives it there", async () => {
    const upload = `${origin}/v2/acme/app/blobs/uploads/`;
    const challenged = await call(upload, { method: "POST" });
    expect(challenged.status).toBe(401);
    const challenge = challenged.headers.get("www-authenticate") ?? "";
    const { realm, service, scope } = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    );

    const { body: exchanged } = await berth.exchange("acme+ci", await issuer.sign(berth.url));
    const issued = await call(`${realm}?${new URLSearchParams({ service, scope })}`, {
      headers: { authorization: basic("acme+ci", exchanged.token) },
    });
    const headers = { authorization: `Bearer ${issued.body.token}` };
    expect((await call(upload, { method: "POST", headers })).status).toBe(202);
  });
});

/** What the official image has at /etc/docker/registry/config.yml. */
const IMAGE_CONFIG = `
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`;
