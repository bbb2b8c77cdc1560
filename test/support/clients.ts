import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Output, run } from "./run.ts";

export const loginClients = ["podman", "skopeo", "buildah", "docker"] as const;
type LoginClient = (typeof loginClients)[number];

/**
 * The registry clients of one machine, with credentials and image storage of their own. Each call
 * rejects where its program fails, with `code`, `stdout` and `stderr`.
 */
export interface Clients {
  login(client: LoginClient, host: string, username: string, password: string): Promise<Output>;
  /** Builds an image from scratch, of one file. @returns the image's id */
  build(image: string, content: Uint8Array): Promise<string>;
  push(image: string): Promise<Output>;
  /** @returns the image's id */
  pull(image: string): Promise<string>;
  inspect(image: string): Promise<{ readonly Digest: string; readonly RepoTags: readonly string[] }>;
  listTags(repository: string): Promise<readonly string[]>;
  /** From registry to registry. Tells every request on stderr. */
  copy(from: string, to: string): Promise<Output>;
  /** Removes credentials and images. */
  remove(): Promise<void>;
}

/** How the registry is trusted: by a certificate, given both alone in a directory and as a file, or not at all. */
export type Transport = { readonly certDir: string; readonly caFile: string } | "http";

export async function createClients(transport: Transport): Promise<Clients> {
  const directory = await mkdtemp(join(tmpdir(), "berth-clients-"));
  const inDirectory = (name: string) => join(directory, name);
  const context = inDirectory("context");
  await Promise.all(["home", "context", "tmp"].map((name) => mkdir(inDirectory(name))));
  // podman demands one, if only an empty one.
  await writeFile(inDirectory("auth.json"), "{}");

  const environment = {
    HOME: inDirectory("home"),
    XDG_RUNTIME_DIR: inDirectory("home"),
    TMPDIR: inDirectory("tmp"),
    REGISTRY_AUTH_FILE: inDirectory("auth.json"),
    DOCKER_CONFIG: inDirectory("docker"),
    // Where it finds no daemon, the Docker CLI logs in by itself.
    DOCKER_HOST: `unix://${inDirectory("no-daemon.sock")}`,
  };
  const trust = (prefix = "") =>
    transport === "http" ? `--${prefix}tls-verify=false` : `--${prefix}cert-dir=${transport.certDir}`;
  // vfs works where overlay does not, and leaves no mount behind.
  const storage = ["--storage-driver=vfs", `--root=${inDirectory("storage")}`, `--runroot=${inDirectory("run")}`];
  const podman = (...args: string[]) =>
    run("podman", [...storage, `--tmpdir=${inDirectory("podman")}`, ...args], { environment });
  const buildah = (...args: string[]) => run("buildah", [...storage, ...args], { environment });
  const skopeo = (...args: string[]) => run("skopeo", args, { environment });

  return {
    login(client, host, username, password) {
      const account = ["--username", username, "--password-stdin"];
      if (client !== "docker") {
        return run(client, ["login", trust(), ...account, host], { environment, input: password });
      }
      // It has no option for a certificate, and takes loopback on plain http.
      const trusting = transport === "http" ? environment : { ...environment, SSL_CERT_FILE: transport.caFile };
      return run("docker", ["login", ...account, host], { environment: trusting, input: password });
    },
    async build(image, content) {
      await Promise.all([
        writeFile(join(context, "content"), content),
        writeFile(join(context, "Containerfile"), "FROM scratch\nCOPY content /content\n"),
      ]);
      const built = await buildah("bud", "--isolation=chroot", "--quiet", `--tag=${image}`, context);
      return built.stdout.trim();
    },
    push: (image) => buildah("push", trust(), image),
    async pull(image) {
      const pulled = await podman("pull", "--quiet", trust(), image);
      return pulled.stdout.trim();
    },
    async inspect(image) {
      const inspected = await skopeo("inspect", trust(), `docker://${image}`);
      return JSON.parse(inspected.stdout);
    },
    async listTags(repository) {
      const listed = await skopeo("list-tags", trust(), `docker://${repository}`);
      return JSON.parse(listed.stdout).Tags;
    },
    copy: (from, to) => skopeo("--debug", "copy", trust("src-"), trust("dest-"), `docker://${from}`, `docker://${to}`),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
