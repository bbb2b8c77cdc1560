import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, it } from "vitest";
import { findPreviousVersion } from "./previous-version.ts";
import { canMount } from "./small-disk.ts";

/** Something that a test needs and npm does not bring. */
interface Requirement {
  /** Where it is, if it is there. */
  readonly find: () => string | undefined;
  /** How to get it. */
  readonly how: string;
}

const debian = (command: string, packageName = command): Requirement => ({
  find: () => which(command),
  how: `apt-get install ${packageName}`,
});

const requirements = {
  podman: debian("podman"),
  skopeo: debian("skopeo"),
  buildah: debian("buildah"),
  docker: debian("docker", "docker.io"),
  containerd: {
    find: () => (process.getuid?.() === 0 ? which("containerd") : undefined),
    how: "apt-get install containerd, and run the tests as root",
  },
  registry: debian("docker-registry"),
  nginx: debian("nginx", "nginx-light"),
  tinyproxy: debian("tinyproxy", "tinyproxy-bin"),
  pgbouncer: debian("pgbouncer"),
  chromium: debian("chromium"),
  curl: debian("curl"),
  jq: debian("jq"),
  python3: debian("python3"),
  "python3-requests": { find: findPythonWithRequests, how: "apt-get install python3-requests" },
  openssl: debian("openssl"),
  promtool: debian("promtool", "prometheus"),
  faketime: { find: findFaketime, how: "apt-get install libfaketime" },
  history: { find: findPreviousVersion, how: "clone the repository with its history" },
  java: debian("java", "openjdk-17-jre-headless"),
  mount: { find: canMount, how: "run the tests as root, where file systems may be mounted" },
  keycloak: { find: findKeycloak, how: "bash test/support/install-keycloak.sh" },
} satisfies Record<string, Requirement>;

export type RequirementName = keyof typeof requirements;

export const requireAll = process.env.BERTH_REQUIRE_ALL === "1";

/** The path of a requirement that is there. */
export function pathOf(name: RequirementName): string {
  const path = requirements[name].find();
  if (!path) throw new Error(`${name} is missing: ${requirements[name].how}`);
  return path;
}

/** What is missing, each with how to get it. */
export function missing(names: readonly RequirementName[]): string[] {
  return names.filter((name) => !requirements[name].find()).map((name) => `${name}: ${requirements[name].how}`);
}

/**
 * A suite that runs where its requirements are met. Elsewhere it is left out and says so, or, with
 * `BERTH_REQUIRE_ALL=1`, fails.
 */
export function describeWith(names: readonly RequirementName[], title: string, suite: () => void): void {
  const lacking = missing(names);
  if (lacking.length === 0) {
    describe(title, suite);
  } else if (requireAll) {
    it(`${title} has what it needs`, () => {
      throw new Error(`missing ${lacking.join("; ")}`);
    });
  } else {
    describe.skipIf(true)(`${title} (left out: needs ${lacking.join("; ")})`, suite);
  }
}

function which(command: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  return folders.map((folder) => join(folder, command)).find(existsSync);
}

/** A Python that has the library: Debian's, where another one comes first and has it not. */
function findPythonWithRequests(): string | undefined {
  return [which("python3"), "/usr/bin/python3"].find(
    (python) => python && spawnSync(python, ["-c", "import requests"]).status === 0,
  );
}

/** The library of the many-threaded, in the folder of whatever architecture this is. */
function findFaketime(): string | undefined {
  const folders = existsSync("/usr/lib") ? readdirSync("/usr/lib").map((name) => join("/usr/lib", name)) : [];
  return folders.map((folder) => join(folder, "faketime", "libfaketimeMT.so.1")).find(existsSync);
}

/** `KEYCLOAK_HOME`, or where the script above puts it. */
function findKeycloak(): string | undefined {
  const home = process.env.KEYCLOAK_HOME ?? join(homedir(), ".cache", "berth", "keycloak");
  return existsSync(join(home, "bin", "kc.sh")) ? home : undefined;
}
