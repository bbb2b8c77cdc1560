import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "../support/berth.ts";
import { type BerthProcess, launchBerth, spawnBerth } from "../support/berth-process.ts";
import { makeDataDir } from "../support/embedded-database.ts";
import { freePort } from "../support/free-port.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { describeWith } from "../support/requirements.ts";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-process-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe("the first start", () => {
  it("keeps its secrets for the owner alone, says where, and says what to do next", async () => {
    const port = String(await freePort());
    const dataDir = join(directory, "first");
    const berth = await spawnBerth({ PORT: port, DATA_DIR: dataDir });
    const adminTokenPath = join(dataDir, "admin-token");
    const adminToken = (await readFile(adminTokenPath, "utf8")).trim();
    expect((await stat(adminTokenPath)).mode & 0o777).toBe(0o600);
    expect((await stat(join(dataDir, "secret-key"))).mode & 0o777).toBe(0o600);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    expect(berth.stderr()).toContain(adminTokenPath);
    expect(berth.stderr()).toContain("/api/v1/organization/");

    const user = await call(`http://127.0.0.1:${port}/api/v1/user/`, { headers: bearer(adminToken) });
    expect(user.body).toMatchObject({ username: "admin", super_user: true });
    await berth.end("SIGTERM");
    expect(berth.stdout() + berth.stderr()).not.toContain(adminToken);

    const again = await spawnBerth({ PORT: port, DATA_DIR: dataDir });
    expect(again.stderr()).toBe("");
    expect((await call(`http://127.0.0.1:${port}/api/v1/user/`, { headers: bearer(adminToken) })).status).toBe(200);
    await again.end("SIGTERM");
  });

  it("tells every problem of its configuration at once, and no secret", async () => {
    const berth = launchBerth({
      PORT: "none",
      PUBLIC_URL: "http://berth.example",
      BERTH_ADMIN_TOKEN: "short",
      LOG_LEVEL: "loud",
      DATA_DIR: join(directory, "never"),
    });
    expect(await berth.ended).toBe(1);
    for (const name of ["PORT", "PUBLIC_URL", "BERTH_ADMIN_TOKEN", "LOG_LEVEL"]) {
      expect(berth.stderr()).toContain(`- ${name}`);
    }
    expect(berth.stderr()).not.toContain("short");
    await expect(stat(join(directory, "never"))).rejects.toThrow();
  });
});

describe("a data directory", () => {
  it("takes one process at a time, and the next one as soon as that was killed", async () => {
    const dataDir = await makeDataDir(true, directory);
    const environment = { DATA_DIR: dataDir, BERTH_ADMIN_TOKEN: "an-admin-token-for-the-lock" };
    const first = await spawnBerth({ ...environment, PORT: String(await freePort()) });
    const second = launchBerth({ ...environment, PORT: String(await freePort()) });
    expect(await second.ended).toBe(1);
    expect(second.stderr()).toContain(`${dataDir} is in use by another process`);
    await first.end("SIGKILL");
    const third = await spawnBerth({ ...environment, PORT: String(await freePort()) });
    expect(await third.end("SIGTERM")).toBe(0);
  });

  it("is told of when it cannot be made", async () => {
    for (const dataDir of ["/proc/nope/data", "/dev/null"]) {
      const berth = launchBerth({ DATA_DIR: dataDir, PORT: String(await freePort()) });
      expect(await berth.ended).toBe(1);
      expect(berth.stderr()).toContain(`DATA_DIR ${dataDir} cannot be made or used`);
    }
  });

  it("opens only with the key that sealed it", async () => {
    const dataDir = await makeDataDir(true, directory);
    const environment = {
      DATA_DIR: dataDir,
      PORT: String(await freePort()),
      BERTH_ADMIN_TOKEN: "an-admin-token-to-seal",
    };
    const [one, other] = [randomBytes(32).toString("base64"), randomBytes(32).toString("base64")];
    await (await spawnBerth({ ...environment, BERTH_SECRET_KEY: one })).end("SIGTERM");
    const refused = launchBerth({ ...environment, BERTH_SECRET_KEY: other });
    expect(await refused.ended).toBe(1);
    expect(refused.stderr()).toContain("BERTH_SECRET_KEY");
    const both = await spawnBerth({ ...environment, BERTH_SECRET_KEY: `${other},${one}` });
    expect(await both.end("SIGTERM")).toBe(0);
  });
});

describe("PostgreSQL", () => {
  let postgres: TestPostgres;
  let environment: Record<string, string>;

  beforeAll(async () => {
    postgres = await startPostgres();
    environment = {
      DATABASE_URL: await postgres.createDatabase("process"),
      DATA_DIR: join(directory, "unused"),
    };
  });
  afterAll(() => postgres.remove());

  it("wants the secrets that several instances share", async () => {
    const withoutKey = launchBerth({ ...environment, PORT: String(await freePort()) });
    expect(await withoutKey.ended).toBe(1);
    expect(withoutKey.stderr()).toContain("BERTH_SECRET_KEY is required");
    const withoutToken = launchBerth({
      ...environment,
      PORT: String(await freePort()),
      BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    });
    expect(await withoutToken.ended).toBe(1);
    expect(withoutToken.stderr()).toContain("BERTH_ADMIN_TOKEN is required");
  });

  it("serves two instances that start at once, and ends the old admin token when it changes", async () => {
    const shared = {
      ...environment,
      DATABASE_URL: await postgres.createDatabase("two"),
      BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
      BERTH_REGISTRY_SERVICE: "registry.example",
    };
    const ports = [await freePort(), await freePort()];
    const start = (port: number | undefined, token: string) =>
      spawnBerth({ ...shared, PORT: String(port), BERTH_ADMIN_TOKEN: token });
    const instances = await Promise.all(ports.map((port) => start(port, "the-first-admin-token-of-two")));
    const certificates = await Promise.all(
      ports.map((port) => call(`http://127.0.0.1:${port}/registries/registry.example/certs.pem`)),
    );
    expect(certificates[0]?.body).toContain("BEGIN CERTIFICATE");
    expect(certificates[1]?.body).toBe(certificates[0]?.body);
    await instances[0]?.end("SIGTERM");

    const renewed = await start(ports[0], "the-second-admin-token-of-two");
    const status = async (token: string) =>
      (await call(`http://127.0.0.1:${ports[1]}/api/v1/user/`, { headers: bearer(token) })).status;
    expect(await status("the-first-admin-token-of-two")).toBe(401);
    expect(await status("the-second-admin-token-of-two")).toBe(200);
    await Promise.all([renewed.end("SIGTERM"), instances[1]?.end("SIGTERM")]);
  });

  it("is told of as 503 while it is away, and used again when it is back", async () => {
    const port = await freePort();
    const token = "an-admin-token-through-an-outage";
    const berth = await spawnBerth({
      ...environment,
      PORT: String(port),
      BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
      BERTH_ADMIN_TOKEN: token,
    });
    const get = (path: string) => call(`http://127.0.0.1:${port}${path}`, { headers: bearer(token) });
    expect((await get("/readyz")).status).toBe(200);

    await postgres.stop();
    const away = await get("/api/v1/organization/");
    expect(away).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(away.headers.get("retry-after")).toBe("1");
    // What it saw a moment ago may be told once more.
    await expect.poll(async () => (await get("/readyz")).status).toBe(503);
    expect((await get("/healthz")).status).toBe(200);

    await postgres.start();
    await expect.poll(async () => (await get("/readyz")).status, { timeout: 30_000 }).toBe(200);
    expect((await get("/api/v1/organization/")).status).toBe(200);
    expect(await berth.end("SIGTERM")).toBe(0);
  });
});

describeWith(["openssl"], "TLS", () => {
  it("serves from files, and takes up new ones while running", async () => {
    const [certFile, keyFile] = [join(directory, "tls.crt"), join(directory, "tls.key")];
    const port = await freePort();
    await writeCertificate("one.example");
    const berth = await spawnBerth({
      PORT: String(port),
      DATA_DIR: await makeDataDir(true, directory),
      BERTH_ADMIN_TOKEN: "an-admin-token-behind-tls",
      TLS_CERT_FILE: certFile,
      TLS_KEY_FILE: keyFile,
    });
    expect(await servedName(port)).toBe("one.example");
    await writeCertificate("two.example");
    await expect.poll(() => servedName(port), { timeout: 20_000 }).toBe("two.example");

    await writeFile(certFile, "not a certificate");
    await expect.poll(() => berth.stdout(), { timeout: 20_000 }).toContain("cannot be used");
    expect(await servedName(port)).toBe("two.example");
    expect(await berth.end("SIGTERM")).toBe(0);

    async function writeCertificate(name: string): Promise<void> {
      const made = join(directory, name);
      execFileSync("openssl", [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
        ...["-subj", `/CN=${name}`, "-keyout", `${made}.key`, "-out", `${made}.crt`],
      ]);
      await writeFile(keyFile, await readFile(`${made}.key`));
      await writeFile(certFile, await readFile(`${made}.crt`));
    }
  });
});

describe("SIGTERM", () => {
  let berth: BerthProcess;

  it("is heard while the service starts", async () => {
    const lock = join(directory, "early", "lock");
    berth = launchBerth({ PORT: String(await freePort()), DATA_DIR: join(directory, "early") });
    await expect.poll(() => existsSync(lock), { timeout: 20_000, interval: 10 }).toBe(true);
    expect(await berth.end("SIGTERM")).toBe(0);
  });

  it("lets a request under way end before the process does", async () => {
    const port = await freePort();
    const token = "an-admin-token-for-the-drain";
    berth = await spawnBerth({
      PORT: String(port),
      DATA_DIR: await makeDataDir(true, directory),
      BERTH_ADMIN_TOKEN: token,
    });
    const body = JSON.stringify({ name: "acme" });
    const encoder = new TextEncoder();
    let finish = () => {};
    const slow = new ReadableStream({
      start(controller) {
        controller.enqueue(encoder.encode(body.slice(0, 5)));
        finish = () => {
          controller.enqueue(encoder.encode(body.slice(5)));
          controller.close();
        };
      },
    });
    const answer = fetch(`http://127.0.0.1:${port}/api/v1/organization/`, {
      method: "POST",
      headers: { ...bearer(token), "content-type": "application/json" },
      body: slow,
      duplex: "half",
    } as RequestInit);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const ended = berth.end("SIGTERM");
    await expect
      .poll(
        () =>
          fetch(`http://127.0.0.1:${port}/healthz`).then(
            () => "open",
            () => "closed",
          ),
        { timeout: 20_000 },
      )
      .toBe("closed");
    finish();
    expect((await answer).status).toBe(201);
    expect(await ended).toBe(0);
  });
});

function bearer(token: string) {
  return { authorization: `Bearer ${token}` };
}

/** The common name of the certificate that a port serves. */
function servedName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ rejectUnauthorized: false, maxCachedSessions: 0 });
    const asked = request({ host: "127.0.0.1", port, path: "/healthz", agent }, (response) => {
      const socket = response.socket as import("node:tls").TLSSocket;
      resolve(String(socket.getPeerCertificate().subject.CN));
      response.resume();
    });
    asked.once("error", reject);
    asked.end();
  });
}
