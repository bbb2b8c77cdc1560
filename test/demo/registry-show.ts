import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type BerthClient, call } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startRegistry } from "../support/registry.ts";
import { pathOf, type RequirementName } from "../support/requirements.ts";
import { writeOciImage } from "./oci-image.ts";

export const registryRequirements: readonly RequirementName[] = ["podman", "skopeo", "registry"];

/** A registry behind Berth, and real clients with configuration and storage of their own. */
export interface RegistryShow {
  readonly host: string;
  login(username: string, password: string): Promise<void>;
  push(image: string): Promise<void>;
  /** @returns the digest of what was pulled */
  pull(image: string): Promise<string>;
  /** @returns the client's own words */
  expectRefused(image: string): Promise<string>;
  close(): Promise<void>;
}

const run = promisify(execFile);

export async function startRegistryShow(berth: BerthClient): Promise<RegistryShow> {
  const service = "registry.example";
  const certificates = await call(`${berth.url}/registries/${service}/certs.pem`);
  const registry = await startRegistry({
    port: await freePort(),
    service,
    issuer: berth.url,
    certificates: certificates.body,
  });
  const directory = await mkdtemp(join(tmpdir(), "berth-demo-"));
  const layout = join(directory, "image");
  await writeOciImage(layout, "pushed without a stored password\n");
  const authFile = join(directory, "auth.json");
  const storage = ["--root", join(directory, "root"), "--runroot", join(directory, "run"), "--storage-driver", "vfs"];
  const podman = (...args: string[]) => run(pathOf("podman"), [...storage, ...args]);
  const copy = (image: string) =>
    run(pathOf("skopeo"), [
      ...["copy", "--quiet", "--dest-tls-verify=false", "--authfile", authFile],
      ...[`oci:${layout}`, `docker://${image}`],
    ]);

  return {
    host: registry.host,
    async login(username, password) {
      await podman(
        "login",
        "--tls-verify=false",
        "--authfile",
        authFile,
        "-u",
        username,
        "-p",
        password,
        registry.host,
      );
    },
    async push(image) {
      await copy(image);
    },
    async pull(image) {
      await podman("pull", "--quiet", "--tls-verify=false", "--authfile", authFile, image);
      const { stdout } = await podman("image", "inspect", "--format", "{{.Digest}}", image);
      return stdout.trim();
    },
    async expectRefused(image) {
      const words = await copy(image).then(
        () => undefined,
        (error: { stderr: string }) => error.stderr,
      );
      if (words === undefined) throw new Error(`${image} was pushed without the right to`);
      return /denied: [^\\"]*/.exec(words)?.[0] ?? words.trim();
    },
    async close() {
      await registry.remove();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
