import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type Clients, createClients, loginClients } from "../support/clients.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startNginx, type TestNginx } from "../support/nginx.ts";
import { fetchCertificates, startRegistry, type TestRegistry } from "../support/registry.ts";
import { describeWith } from "../support/requirements.ts";
import { run } from "../support/run.ts";

const MAX_TOKEN_BYTES = 16 * 1024;
/** Not the address that nginx comes to Berth from, which Berth trusts. */
const JOB_ADDRESS = "127.0.0.2";

describeWith([...loginClients, "registry", "nginx", "openssl", "curl"], "Berth and a registry on one hostname", () => {
  const closers: (() => Promise<void>)[] = [];
  let host: string;
  let berth: TestBerth;
  let issuer: TestIssuer;
  let nginx: TestNginx;
  let registry: TestRegistry;
  let clients: Clients;

  beforeAll(async () => {
    const [port, berthPort, registryPort] = [await freePort(), await freePort(), await freePort()];
    host = `localhost:${port}`;
    issuer = await startIssuer();
    closers.push(issuer.close);
    const environment = { PUBLIC_URL: `https://${host}`, BERTH_TRUSTED_PROXIES: "127.0.0.1/32" };
    berth = await startBerth({ port: berthPort, environment });
    closers.push(berth.remove);
    await berth.createRobot("acme+ci", {
      federation: [{ issuer: issuer.url, subject }],
      grants: [{ repository: "acme/*", actions: ["pull", "push"] }],
    });
    const certificates = await fetchCertificates(`http://127.0.0.1:${berthPort}`, host);
    registry = await startRegistry({ port: registryPort, service: host, issuer: berth.url, certificates });
    closers.push(registry.remove);
    nginx = await startNginx({ port, berthPort, registryPort });
    closers.push(nginx.remove);
    clients = await createClients(nginx);
    closers.push(clients.remove);
  });
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  /** An OIDC token of as many bytes as can be had below or at a size. */
  async function signSized(bytes: number): Promise<string> {
    const unpadded = await issuer.sign(berth.url, { groups: "" });
    return issuer.sign(berth.url, { groups: "g".repeat(Math.floor(((bytes - unpadded.length) * 3) / 4)) });
  }

  interface Answer {
    readonly status: number;
    readonly headers: Readonly<Record<string, readonly string[]>>;
    readonly body: string;
  }

  /** Asks nginx as a job does, with curl. */
  async function ask(path: string, ...options: string[]): Promise<Answer> {
    const args = [
      "--silent",
      "--show-error",
      "--ipv4",
      "--config",
      "-",
      "--cacert",
      nginx.caFile,
      `https://${host}${path}`,
    ];
    const format = ["--write-out", "%{stderr}%{http_code} %{header_json}"];
    const { stdout, stderr } = await run("curl", [...args, ...format], { input: options.join("\n") });
    const [status, headers] = [stderr.slice(0, 3), stderr.slice(4)];
    return { status: Number(status), headers: JSON.parse(headers), body: stdout };
  }

  const exchange = (token: string, ...options: string[]) =>
    ask("/oauth2/federation/robot/token", `user = "acme+ci:${token}"`, ...options);

  it("opens the registry to a job with a token of 16 KiB", async () => {
    const token = await signSized(MAX_TOKEN_BYTES);
    expect(token.length).toBeGreaterThan(MAX_TOKEN_BYTES - 8);
    expect(token.length).toBeLessThanOrEqual(MAX_TOKEN_BYTES);
    const exchanged = await exchange(token);
    expect(exchanged.status).toBe(200);
    const robotToken = JSON.parse(exchanged.body).token;

    for (const client of loginClients) {
      const { stdout } = await clients.login(client, host, "acme+ci", robotToken);
      expect(stdout).toMatch(/^Login Succeeded/);
    }
    // More than the megabyte at which nginx stops a body by default.
    const id = await clients.build(`${host}/acme/app:1`, randomBytes(3_000_000));
    await clients.push(`${host}/acme/app:1`);
    expect(await clients.inspect(`${host}/acme/app:1`)).toMatchObject({ RepoTags: ["1"] });

    const puller = await createClients(nginx);
    closers.push(puller.remove);
    await puller.login("podman", host, "acme+ci", robotToken);
    expect(await puller.pull(`${host}/acme/app:1`)).toBe(id);

    expect(nginx.errorLog()).not.toContain("buffered to a temporary file");

    await clients.copy(`${host}/acme/app:1`, `${host}/acme/copy:1`);
    const scopes = [...(await nginx.accessLog()).matchAll(/GET (\/v2\/auth\S*)/g)].map(([, path]) =>
      new URL(path ?? "", berth.url).searchParams.getAll("scope"),
    );
    expect(scopes).toContainEqual(["repository:acme/copy:pull,push", "repository:acme/app:pull"]);
  });

  it("leaves it to Berth to refuse a larger token", async () => {
    const { status, body } = await exchange(await signSized(MAX_TOKEN_BYTES + 1024));
    expect({ status, ...JSON.parse(body) }).toMatchObject({ status: 400, code: "token_too_large" });
  });

  it("records the address of the job, whatever the job says it is", async () => {
    const token = await issuer.sign(berth.url);
    const { headers } = await exchange(
      token,
      `interface = ${JOB_ADDRESS}`,
      'header = "X-Forwarded-For: 203.0.113.7"',
      'header = "Forwarded: for=203.0.113.7"',
    );
    const requestId = headers["x-request-id"]?.[0];
    const { body } = await berth.api("GET", `/organization/acme/logs?request_id=${requestId}`);
    expect(body.logs).toMatchObject([{ outcome: "success", ip: JOB_ADDRESS }]);
  });

  it("keeps uploads at its own address, whatever the client says it is", async () => {
    const { body } = await exchange(await issuer.sign(berth.url));
    const scope = "repository:acme/app:pull,push";
    const granted = await ask(`/v2/auth?scope=${scope}`, `user = "acme+ci:${JSON.parse(body).token}"`);
    const { status, headers } = await ask(
      "/v2/acme/app/blobs/uploads/",
      'request = "POST"',
      `header = "Authorization: Bearer ${JSON.parse(granted.body).token}"`,
      'header = "X-Forwarded-Host: elsewhere.example"',
      'header = "Forwarded: host=elsewhere.example;proto=http"',
    );
    expect(status).toBe(202);
    expect(headers.location?.[0]).toMatch(`https://${host}/v2/acme/app/blobs/uploads/`);
  });

  describe("sends to Berth", () => {
    it.each([
      ["/v2/auth", 401],
      ["/auth", 401],
      ["/auth/token", 401],
      ["/oauth2/federation/robot/token", 401],
      ["/api/v1/user/", 401],
      ["/.well-known/openid-configuration", 200],
      ["/.well-known/jwks.json", 200],
      ["/openapi.json", 200],
      ["/docs", 200],
      ["/schemas/state.json", 200],
      ["/healthz", 200],
    ])("%s", async (path, expected) => {
      const { status, headers } = await ask(path);
      expect(status).toBe(expected);
      // Berth names every request.
      expect(headers).toHaveProperty("x-request-id");
    });

    it("the certificates of a service with a port in its name", async () => {
      const { status, body } = await ask(`/registries/${encodeURIComponent(host)}/certs.pem`);
      expect({ status, body }).toEqual({ status: 200, body: expect.stringContaining("BEGIN CERTIFICATE") });
    });
  });

  describe("sends to the registry", () => {
    it.each(["/v2/", "/v2/auth/app/tags/list", "/v2/acme/auth/tags/list"])("%s", async (path) => {
      const { status, headers } = await ask(path);
      expect(status).toBe(401);
      expect(headers).not.toHaveProperty("x-request-id");
      expect(headers["docker-distribution-api-version"]).toEqual(["registry/2.0"]);
      expect(headers["www-authenticate"]?.[0]).toContain(`realm="https://${host}/v2/auth",service="${host}"`);
    });
  });

  it("keeps the rest to itself", async () => {
    for (const path of ["/", "/metrics", "/readyz", "/v1/_ping"]) {
      expect((await ask(path)).status).toBe(404);
    }
  });

  it("still names the registry's API while the registry is down", async () => {
    await registry.remove();
    const { status, headers } = await ask("/v2/");
    expect(status).toBe(502);
    expect(headers["docker-distribution-api-version"]).toEqual(["registry/2.0"]);
  });
});
