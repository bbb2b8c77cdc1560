import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { freePort } from "../support/free-port.ts";
import { describeWith } from "../support/requirements.ts";
import { layOutBaseImage } from "./base-image.ts";
import { type Buildah, type ContainerProcess, openBuildah } from "./buildah.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));
const BASE = "localhost/berth-test-base";
const IMAGE = "localhost/berth-test";

describeWith(["buildah"], "the image, with this machine's Node.js in its base image's place", () => {
  let buildah: Buildah;
  let container: string;
  let command: string[];

  beforeAll(async () => {
    buildah = await openBuildah();
    const root = `${buildah.directory}/base`;
    const { environment, mounts } = await layOutBaseImage(root);
    const base = await buildah.run("from", "scratch");
    await buildah.run("copy", base, root, "/");
    await buildah.run("config", ...environment.flatMap((variable) => ["--env", variable]), base);
    await buildah.run("commit", base, BASE);
    await buildah.run(
      "bud",
      ...["--isolation", "chroot", "--format", "docker", "--build-arg", `NODE_IMAGE=${BASE}`, "--tag", IMAGE],
      ...mounts.flatMap((mount) => ["--volume", mount]),
      ...["--file", `${project}/Containerfile`, project],
    );
    container = await buildah.run("from", IMAGE);
    const { Entrypoint, Cmd } = await inspect();
    command = [...Entrypoint, ...Cmd];
  }, 600_000);

  afterAll(() => buildah.remove());

  async function inspect() {
    return JSON.parse(await buildah.run("inspect", "--type", "image", IMAGE)).Docker.config;
  }

  async function untilItListens(berth: ContainerProcess): Promise<void> {
    const ended = berth.ended.then((code) => {
      throw new Error(`it ended with ${code}: ${berth.output()}`);
    });
    while (!berth.output().includes('"message":"listening"')) await Promise.race([delay(50), ended]);
  }

  it("runs as nobody special, listens on every address and keeps its data in a volume", async () => {
    const config = await inspect();
    expect(config).toMatchObject({
      User: "1000:1000",
      ExposedPorts: { "8080/tcp": {} },
      Volumes: { "/data": {} },
      Entrypoint: ["node", "dist/main.js"],
      Cmd: ["serve"],
    });
    expect(config.Env).toEqual(expect.arrayContaining(["HOST=0.0.0.0", "PORT=8080", "DATA_DIR=/data"]));
  });

  it("holds the service with its migrations, and nothing to build or test it with", async () => {
    const look = "{ uid: process.getuid(), files: fs.readdirSync('.'), packages: fs.readdirSync('node_modules') }";
    const program = buildah.start(container, [], ["node", "--print", `JSON.stringify(${look})`]);
    expect(await program.ended).toBe(0);
    const { uid, files, packages } = JSON.parse(program.output());
    expect(uid).toBe(1000);
    expect(files.sort()).toEqual(["LICENSE", "deploy", "dist", "drizzle", "node_modules", "package.json"]);
    expect(packages).toContain("hono");
    expect(packages).not.toContain("typescript");
    expect(packages).not.toContain("vitest");
  });

  it("does not start where nobody said how it is reached", async () => {
    const berth = buildah.start(container, [], command);
    expect(await berth.ended).toBe(1);
    expect(berth.output()).toContain('- PUBLIC_URL is "http://0.0.0.0:8080", and http off loopback gives tokens away');
  });

  it("serves as its user, passes its health check while it does, and ends in peace on SIGTERM", async () => {
    const port = await freePort();
    const environment = [`PORT=${port}`, "HOST=127.0.0.1", `PUBLIC_URL=http://localhost:${port}`];
    const healthCheck = (await inspect()).Healthcheck.Test.slice(1);
    const berth = buildah.start(container, environment, command);
    onTestFinished(async () => {
      await berth.end("SIGKILL");
    });
    await untilItListens(berth);

    expect(await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()).toEqual({ status: "ready" });
    expect(berth.output()).toContain("Its admin token is in /data/admin-token");
    expect(await buildah.start(container, environment, healthCheck).ended).toBe(0);
    expect(await berth.end("SIGTERM")).toBe(0);
    expect(await buildah.start(container, environment, healthCheck).ended).toBe(1);
  });

  it("does the main job, from a CI job's token to a registry", async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const adminToken = randomBytes(24).toString("base64url");
    const berth = buildah.start(
      container,
      [
        ...[`PORT=${port}`, "HOST=127.0.0.1", `PUBLIC_URL=${url}`, "DATA_DIR=/data/demo"],
        ...[`BERTH_ADMIN_TOKEN=${adminToken}`, "BERTH_ALLOW_INSECURE_ISSUERS=true"],
        "BERTH_REGISTRY_SERVICE=registry.example",
      ],
      command,
    );
    onTestFinished(async () => {
      await berth.end("SIGKILL");
    });
    await untilItListens(berth);
    const demo = await promisify(execFile)(process.execPath, [`${project}/test/demo/demo.ts`, "--at", url], {
      env: { ...process.env, BERTH_ADMIN_TOKEN: adminToken },
    });
    expect(demo.stdout).toContain("every step held");
    expect(await berth.end("SIGTERM")).toBe(0);
  });
});
