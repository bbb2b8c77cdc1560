import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { registryConfigFormats } from "../../src/services/registry-config/registry-config.ts";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { describeWith } from "../support/requirements.ts";
import { blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/registries.md", import.meta.url);

describeWith(["curl"], "docs/registries.md by hand", () => {
  let directory: string;
  let berth: TestBerth;
  const outputs = new Map<string, string[]>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-registries-page-"));
    berth = await startBerth({ environment: { BERTH_REGISTRY_SERVICE: "registry.example" } });
    await berth.createRobot("acme+ci");
    const environment = { BERTH: berth.url, TOKEN: berth.adminToken };
    for (const { heading, code } of await blocksOf(page, "sh")) {
      outputs.set(heading, [...(outputs.get(heading) ?? []), await runShell(code, directory, environment)]);
    }
  });

  afterAll(async () => {
    await berth.remove();
    await rm(directory, { recursive: true });
  });

  it("makes another registry, configures it and grants on it", () => {
    const [registry = "", configuration = "", grants = ""] = outputs.get("Another registry") ?? [];
    expect(JSON.parse(registry)).toMatchObject({ service: "images.example", key_profile: "x5c", default: false });
    expect(parse(configuration).auth.token).toMatchObject({ service: "images.example" });
    expect(JSON.parse(grants)).toEqual([
      { registry: "registry.example", repository: "acme/*", actions: ["pull"] },
      { registry: "images.example", repository: "acme/*", actions: ["pull", "push"] },
    ]);
  });

  it("fetches certificates, and changes the profile of keys", async () => {
    expect(await readFile(join(directory, "certs.pem"), "utf8")).toContain("BEGIN CERTIFICATE");
    const [changed = ""] = outputs.get("Key profiles") ?? [];
    expect(JSON.parse(changed)).toMatchObject({ service: "images.example", key_profile: "kid" });
  });

  it("names every format and every setting", async () => {
    const text = await readFile(page, "utf8");
    const firstCells = (heading: string) => {
      const [, section = ""] = text.split(`## ${heading}\n`);
      return [...(section.split("\n## ")[0] ?? "").matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
    };
    expect(new Set(firstCells("Ready configuration"))).toEqual(new Set(registryConfigFormats));

    const { body } = await berth.api("GET", "/registries/registry.example");
    const { default: _, realm, created, keys, warnings, ...settings } = body;
    expect(new Set(firstCells("Everything there is to set"))).toEqual(new Set(Object.keys(settings)));
    expect([created, keys, warnings]).not.toContain(undefined);
    expect(realm).toBe(`${berth.url}/v2/auth`);
    expect(settings).toMatchObject({ key_profile: "x5c", refresh_tokens: false });
  });
});
