import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { describeWith } from "../support/requirements.ts";
import { configurationOf, createRegistryByHand, type RegistryByHand } from "./registry-by-hand.ts";
import { type Block, blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/keys.md", import.meta.url);

describeWith(["registry", "curl", "jq", "openssl"], "docs/keys.md by hand", () => {
  let directory: string;
  let berth: TestBerth;
  let jobs: TestIssuer;
  let robotToken: string;
  let blocks: readonly Block[];
  let registries: Readonly<Record<"registry.example" | "images.example", RegistryByHand>>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-keys-page-"));
    [berth, jobs] = await Promise.all([
      startBerth({ environment: { BERTH_REGISTRY_SERVICE: "registry.example" } }),
      startIssuer(),
    ]);
    await berth.createRobot("acme+ci", { federation: [{ issuer: jobs.url, subject }] });
    robotToken = (await berth.exchange("acme+ci", await jobs.sign(berth.url))).body.token;
    const created = await berth.api("POST", "/registries", { service: "images.example", key_profile: "kid" });
    expect(created.status, JSON.stringify(created.body)).toBe(201);
    blocks = await blocksOf(page, "sh");
    registries = {
      "registry.example": await startFirst("registry.example", ["certs.pem"]),
      "images.example": await startFirst("images.example", ["certs.pem", "jwks.json"]),
    };
  });

  afterAll(async () => {
    await Promise.all(Object.values(registries).map((registry) => registry.stop()));
    await Promise.all([berth.remove(), jobs.close()]);
    await rm(directory, { recursive: true });
  });

  async function startFirst(service: string, files: readonly string[]): Promise<RegistryByHand> {
    await mkdir(join(directory, service));
    for (const name of files) {
      const { body } = await call(`${berth.url}/registries/${service}/${name}`);
      await writeFile(join(directory, service, name), typeof body === "string" ? body : JSON.stringify(body));
    }
    const registry = await createRegistryByHand(join(directory, service));
    await registry.restart(await configurationOf(berth, service));
    return registry;
  }

  /** Runs one of the commands under a heading, among the files of the registry that it is about. */
  async function follow(heading: string, index: number, service = "registry.example"): Promise<string> {
    const code = blocks.filter((block) => block.heading === heading)[index]?.code ?? "exit 1";
    const { origin } = registries["registry.example"];
    const environment = { BERTH: berth.url, TOKEN: berth.adminToken, ROBOT_TOKEN: robotToken };
    return runShell(code.replaceAll("https://registry.example", origin), join(directory, service), environment);
  }

  const restart = async (service: keyof typeof registries) =>
    registries[service].restart(await configurationOf(berth, service));

  const freshStatus = async (registry: RegistryByHand) =>
    registry.statusFor(await registry.tokenFor("acme+ci", robotToken));

  it("shows a next key beside each active one", async () => {
    const shown: { purpose: string; status: string }[] = JSON.parse(await follow("The life of a key", 0));
    const keys = shown.map(({ purpose, status }) => `${status} ${purpose}`);
    expect(keys.sort()).toEqual(["active authority", "active signing", "next authority", "next signing"]);
  });

  it("rotates with the x5c profile, with no restart", async () => {
    const registry = registries["registry.example"];
    const kept = await registry.tokenFor("acme+ci", robotToken);
    await follow("With the `x5c` profile", 0);
    expect([await registry.statusFor(kept), await freshStatus(registry)]).toEqual([200, 200]);
  });

  it("rotates with the kid profile, with one restart before it", async () => {
    const registry = registries["images.example"];
    const kept = await registry.tokenFor("acme+ci", robotToken);
    // Again, with keys that the registry did not begin with.
    for (const _ of ["once", "again"]) {
      await follow("With the `kid` profile", 0, "images.example");
      await restart("images.example");
      await follow("With the `kid` profile", 1, "images.example");
      expect([await registry.statusFor(kept), await freshStatus(registry)]).toEqual([200, 200]);
    }
  });

  it("puts a new authority in the old one's place", async () => {
    const registry = registries["registry.example"];
    const kept = await registry.tokenFor("acme+ci", robotToken);
    await follow("A new authority", 0);
    await restart("registry.example");
    await follow("A new authority", 1);
    expect([await registry.statusFor(kept), await freshStatus(registry)]).toEqual([200, 200]);
  });

  it("takes an authority of one's own", async () => {
    const registry = registries["registry.example"];
    const kept = await registry.tokenFor("acme+ci", robotToken);
    await follow("An authority of your own", 0);
    expect(await freshStatus(registry)).toBe(200);
    await follow("An authority of your own", 1);
    await restart("registry.example");
    await follow("An authority of your own", 2);
    expect([await registry.statusFor(kept), await freshStatus(registry)]).toEqual([200, 200]);
  });

  it("rotates the key of robot tokens, which stay good", async () => {
    await follow("The key of robot tokens", 0);
    expect(await freshStatus(registries["registry.example"])).toBe(200);
  });

  it("ends a registry's keys that leaked", async () => {
    const registry = registries["registry.example"];
    const stolen = await registry.tokenFor("acme+ci", robotToken);
    await follow("When a key leaked", 0);
    expect([await registry.statusFor(stolen), await freshStatus(registry)]).toEqual([200, 401]);
    expect((await follow("When a key leaked", 1)).match(/Not Before/g)).toHaveLength(2);
    await restart("registry.example");
    expect([await registry.statusFor(stolen), await freshStatus(registry)]).toEqual([401, 200]);
    expect(await follow("When a key leaked", 2)).toContain("{}");
  });

  it("ends the key of robot tokens that leaked, and with it all robot tokens", async () => {
    await follow("When a key leaked", 3);
    await expect(registries["registry.example"].tokenFor("acme+ci", robotToken)).rejects.toThrow("refused");
    robotToken = (await berth.exchange("acme+ci", await jobs.sign(berth.url))).body.token;
    expect(await freshStatus(registries["registry.example"])).toBe(200);
  });

  it("has no other command", () => {
    const counts = Object.groupBy(blocks, ({ heading }) => heading);
    expect(Object.entries(counts).map(([heading, found]) => [heading, found?.length])).toEqual([
      ["The life of a key", 1],
      ["With the `x5c` profile", 1],
      ["With the `kid` profile", 2],
      ["A new authority", 2],
      ["An authority of your own", 3],
      ["The key of robot tokens", 1],
      ["When a key leaked", 4],
    ]);
  });
});
