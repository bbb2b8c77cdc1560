import { existsSync } from "node:fs";
import { chmod, cp, mkdir, realpath, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "../support/run.ts";

const PROGRAMS = ["/bin/sh", "/usr/bin/env", "/usr/bin/install"];
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
const NPM_CACHE = "/npm-cache";

/** A root directory to build an image from, in place of the official one that cannot be pulled everywhere. */
export interface BaseImage {
  /** As `NAME=value`. */
  readonly environment: readonly string[];
  /** What a build is to mount, as `source:target`. */
  readonly mounts: readonly string[];
}

/** Lays out this machine's Node.js and npm, a shell and the user `node`, as the official image has them. */
export async function layOutBaseImage(root: string): Promise<BaseImage> {
  await Promise.all(["etc", "root", "proc", "sys", "dev", "tmp", "npm-cache"].map((name) => mkdirIn(root, name)));
  await chmod(join(root, "tmp"), 0o1777);
  await writeFile(join(root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\nnode:x:1000:\n");

  await copy(process.execPath, join(root, "usr/local/bin/node"));
  for (const program of PROGRAMS) await copy(program, join(root, program));
  for (const library of await librariesOf([process.execPath, ...PROGRAMS])) await copy(library, join(root, library));

  const npm = "usr/local/lib/node_modules/npm";
  await copy(await findNpm(), join(root, npm));
  await symlink(`/${npm}/bin/npm-cli.js`, join(root, "usr/local/bin/npm"));
  if (existsSync(CERTIFICATES)) await copy(CERTIFICATES, join(root, CERTIFICATES));

  const cache = (await run("npm", ["config", "get", "cache"], { environment: home() })).stdout.trim();
  await mkdir(cache, { recursive: true });
  return {
    environment: [
      "PATH=/usr/local/bin:/usr/bin:/bin",
      `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`,
      `npm_config_cache=${NPM_CACHE}`,
      "npm_config_prefer_offline=true",
    ],
    mounts: [`${cache}:${NPM_CACHE}`],
  };
}

function home(): Record<string, string> {
  return { HOME: process.env.HOME ?? "/" };
}

async function mkdirIn(root: string, name: string): Promise<void> {
  await mkdir(join(root, name), { recursive: true });
}

async function copy(source: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await cp(source, target, { recursive: true, dereference: true });
}

async function librariesOf(programs: readonly string[]): Promise<string[]> {
  const { stdout } = await run("ldd", programs);
  return [...new Set(stdout.match(/(?<=\s)\/\S+(?= \(0x)/g))];
}

async function findNpm(): Promise<string> {
  const { stdout } = await run("sh", ["-c", "command -v npm"]);
  return join(dirname(await realpath(stdout.trim())), "..");
}
