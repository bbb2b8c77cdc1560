import { execFile, execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "./support/berth.ts";
import { type BerthProcess, spawnBerth } from "./support/berth-process.ts";
import { startDaemon } from "./support/daemon.ts";
import { freePort } from "./support/free-port.ts";
import { type CiPlatform, startCiPlatform } from "./support/provider.ts";
import { describeWith, pathOf } from "./support/requirements.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const job = "repo:acme/app:ref:refs/heads/main";
let readme: string;

beforeAll(async () => {
  readme = await readFile(join(root, "README.md"), "utf8");
});

/** The code blocks of a language under a heading. */
function blocks(heading: string, language: string): string[] {
  const section = readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, code = ""]) => code);
}

describe("README", () => {
  it("gives commands that are there", async () => {
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const named = [...readme.matchAll(/npm run ([a-z:]+)/g)].map(([, name = ""]) => name);
    expect(named).toContain("demo");
    for (const name of [...named, "start", "test"]) expect(Object.keys(scripts)).toContain(name);
    expect(blocks("See it run", "sh")).toEqual(["npm ci && npm run demo\n"]);
    expect(blocks("Development", "sh")).toEqual(["npm ci && npm test\n"]);
    expect(blocks("Run it", "sh")[0]).toBe("npm ci && npm start\n");
  });

  it("lists every variable that the configuration reads, and no other", async () => {
    const sources = ["src/config.ts", "src/tracing-config.ts"].map((path) => readFile(join(root, path), "utf8"));
    const source = (await Promise.all(sources)).join();
    const read = [...source.matchAll(/"([A-Z]+(?:_[A-Z]+)*)"/g)].map(([, name = ""]) => name);
    const table = readme.slice(readme.indexOf("## Configuration"), readme.indexOf("## What it promises"));
    const listed = [...table.matchAll(/`([A-Z]+(?:_[A-Z]+)*)(?:=\w+)?`/g)]
      .map(([, name = ""]) => name)
      .filter((name) => name !== "NAME_FILE");
    expect(new Set(listed)).toEqual(new Set(read));
  });

  it("links to files that are there", async () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = ""]) => path);
    expect(links.length).toBeGreaterThan(5);
    for (const path of links) expect(await readFile(join(root, path), "utf8")).not.toBe("");
  });
});

describeWith(["curl", "jq", "podman", "registry"], "README by hand", () => {
  let directory: string;
  let port: number;
  let registryPort: number;
  let platform: CiPlatform;
  let berth: BerthProcess | undefined;
  let environment: NodeJS.ProcessEnv;
  let githubTokens: Server;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-readme-"));
    [port, registryPort] = [await freePort(), await freePort()];
    platform = await startCiPlatform([job]);
    githubTokens = await startGitHubTokens(platform);
    berth = await spawnBerth({
      PORT: String(port),
      DATA_DIR: join(directory, "data"),
      BERTH_ALLOW_INSECURE_ISSUERS: "true",
    });
    environment = await clientEnvironment(directory, registryPort);
  });

  afterAll(async () => {
    githubTokens.close();
    await Promise.all([berth?.end("SIGTERM"), platform.close()]);
    await rm(directory, { recursive: true, force: true });
  });

  /** Runs an example as it stands, but for the addresses that are real here. */
  async function shell(script: string, more: NodeJS.ProcessEnv = {}) {
    const local = script
      .replaceAll("8080", String(port))
      .replaceAll("https://token.actions.githubusercontent.com", platform.issuer)
      .replaceAll("https://berth.example", `http://127.0.0.1:${port}`)
      .replaceAll("registry.example", `127.0.0.1:${registryPort}`);
    return promisify(execFile)("bash", ["-euo", "pipefail", "-c", local], {
      cwd: directory,
      env: { ...environment, ...more },
    });
  }

  it("makes a robot, binds it, grants to it, and reads the audit log", async () => {
    const { stdout } = await shell(blocks("Run it", "sh")[1] ?? "");
    expect(stdout).toContain("create_robot_federation");
  });

  it("exchanges a token and logs in with podman", async () => {
    const exchange = blocks("Run it", "sh")[2] ?? "";
    const token = await platform.tokenFor(job, `http://127.0.0.1:${port}`);
    const BERTH = `http://127.0.0.1:${port}`;
    const { stdout } = await shell(exchange, { BERTH, OIDC_TOKEN: token });
    expect(stdout).toContain("Login Succeeded");
    const refused = await shell(exchange, { BERTH, OIDC_TOKEN: `${token.slice(0, -4)}AAAA` }).catch((error) => error);
    expect(refused.code).not.toBe(0);
  });

  it("explains an exchange that was refused, and a token", async () => {
    const BERTH = `http://127.0.0.1:${port}`;
    const TOKEN = (await readFile(join(directory, "data/admin-token"), "utf8")).trim();
    const OIDC_TOKEN = await platform.tokenFor(job, "https://another.example");
    const authorization = `Basic ${Buffer.from(`acme+ci:${OIDC_TOKEN}`).toString("base64")}`;
    const refused = await call(`${BERTH}/oauth2/federation/robot/token`, { headers: { authorization } });
    expect(refused.body.code).toBe("audience_mismatch");

    const [example = ""] = blocks("When a job is refused", "sh");
    const { stdout } = await shell(example, { BERTH, TOKEN, OIDC_TOKEN, REQUEST_ID: refused.body.request_id });
    expect(stdout.match(/"granted":false,"code":"audience_mismatch"/g)).toHaveLength(2);
  });

  it("sets up a registry, and builds and pushes in a workflow", async () => {
    const BERTH = `http://127.0.0.1:${port}`;
    await shell(blocks("Beside an existing registry", "sh")[0] ?? "", { BERTH });
    const auth = (blocks("Beside an existing registry", "yaml")[0] ?? "").replaceAll("8080", String(port));
    const config = join(directory, "config.yml");
    const storage = `{filesystem: {rootdirectory: ${join(directory, "images")}}}`;
    const rest = `version: 0.1\nstorage: ${storage}\nhttp: {addr: "127.0.0.1:${registryPort}"}\n`;
    await writeFile(config, rest + auth.replace("certs.pem", join(directory, "certs.pem")));
    const registry = await startDaemon(pathOf("registry"), ["serve", config], registryPort);
    try {
      const [workflow = ""] = blocks("In a CI workflow", "yaml");
      const script = workflow.slice(workflow.indexOf("run: |") + "run: |".length).replace(/^ {6}/gm, "");
      await writeFile(join(directory, "Containerfile"), "FROM scratch\nCOPY Containerfile /\n");
      const { port: tokensPort } = githubTokens.address() as { port: number };
      const { stdout } = await shell(script, {
        ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${tokensPort}/token?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: "the-runner-own-token",
        GITHUB_SHA: "0123456789abcdef",
      });
      expect(stdout).toContain("Login Succeeded");
      const tags = await call(`http://127.0.0.1:${registryPort}/v2/acme/app/tags/list`);
      expect(tags.status).toBe(401);
      execFileSync("test", ["-d", join(directory, "images/docker/registry/v2/repositories/acme/app/_manifests")]);
    } finally {
      await registry.stop();
    }
  });
});

/**
 * GitHub's endpoint for ID tokens, as a runner sees it: GET with the runner's bearer token, `audience` in
 * the query, answered with `{"count", "value"}`.
 *
 * @see https://docs.github.com/en/actions/reference/security/oidc
 */
async function startGitHubTokens(platform: CiPlatform): Promise<Server> {
  const server = createServer(async (request, response) => {
    const audience = new URL(request.url ?? "", "http://localhost").searchParams.get("audience");
    if (request.headers.authorization !== "Bearer the-runner-own-token" || !audience) {
      response.writeHead(401).end();
      return;
    }
    const value = await platform.tokenFor(job, audience);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ count: value.length, value }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Storage and credentials of podman's own, and plain http to the registry on loopback. */
async function clientEnvironment(directory: string, registryPort: number): Promise<NodeJS.ProcessEnv> {
  const inDirectory = (name: string) => join(directory, name);
  await mkdir(inDirectory("home"));
  await writeFile(
    inDirectory("storage.conf"),
    `[storage]\ndriver = "vfs"\ngraphroot = "${inDirectory("storage")}"\nrunroot = "${inDirectory("run")}"\n`,
  );
  await writeFile(
    inDirectory("registries.conf"),
    `[[registry]]\nlocation = "127.0.0.1:${registryPort}"\ninsecure = true\n`,
  );
  return {
    PATH: process.env.PATH,
    HOME: inDirectory("home"),
    BUILDAH_ISOLATION: "chroot",
    REGISTRY_AUTH_FILE: inDirectory("auth.json"),
    CONTAINERS_STORAGE_CONF: inDirectory("storage.conf"),
    CONTAINERS_REGISTRIES_CONF: inDirectory("registries.conf"),
  };
}
