import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { describeWith } from "../support/requirements.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";
import { createRegistryByHand, type RegistryByHand } from "./registry-by-hand.ts";
import { type Block, blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/cutover.md", import.meta.url);

describeWith(["registry", "curl", "jq"], "docs/cutover.md by hand", () => {
  let directory: string;
  let berth: TestBerth;
  let old: TokenServer;
  let jobs: TestIssuer;
  let registry: RegistryByHand;
  let robotToken: string;
  let commands: readonly Block[];
  let before: string;
  let after: string;
  let tokenFromBefore: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-cutover-page-"));
    [berth, old, jobs, registry] = await Promise.all([
      startBerth({ environment: { BERTH_REGISTRY_SERVICE: "registry.example" } }),
      startTokenServer({ issuer: "Old auth server", people: { alice: { password: "secret", access: {} } } }),
      startIssuer(),
      createRegistryByHand(directory),
    ]);
    await berth.createRobot("acme+ci", { federation: [{ issuer: jobs.url, subject }] });
    robotToken = (await berth.exchange("acme+ci", await jobs.sign(berth.url))).body.token;
    await writeFile(join(directory, "old.pem"), old.certificate);
    commands = await blocksOf(page, "sh");
    const configurations = await blocksOf(page, "yaml");
    [before = "", after = ""] = configurations.map(({ code }) => here(code).replaceAll("/etc/registry", "/etc/berth"));
  });

  afterAll(async () => {
    await registry.stop();
    await Promise.all([berth.remove(), old.close(), jobs.close()]);
    await rm(directory, { recursive: true });
  });

  /** The addresses that are real here. */
  const here = (text: string) =>
    text
      .replaceAll("https://old.example/auth", old.realm)
      .replaceAll("https://berth.example", berth.url)
      .replaceAll("https://registry.example", registry.origin);

  async function follow(heading: string, from: number, to: number): Promise<void> {
    const codes = commands.filter((block) => block.heading === heading).slice(from, to);
    expect(codes).toHaveLength(to - from);
    const environment = { BERTH: berth.url, TOKEN: berth.adminToken, ROBOT_TOKEN: robotToken };
    for (const { code } of codes) await runShell(here(code), directory, environment);
  }

  it("begins with the registry as the page has it", async () => {
    await registry.restart(before);
    tokenFromBefore = await registry.tokenFor("alice", "secret");
    expect(await registry.statusFor(tokenFromBefore)).toBe(200);
  });

  it("tells Berth, trusts both, and tries it", async () => {
    await follow("1. Tell Berth", 0, 1);
    await follow("2. Trust both", 0, 1);
    await registry.restart(before.replace("old.pem", "both.pem"));
    expect(await registry.statusFor(await registry.tokenFor("alice", "secret"))).toBe(200);
    await follow("2. Trust both", 1, 3);
  });

  it("flips the realm", async () => {
    await registry.restart(after);
    expect(await registry.statusFor(await registry.tokenFor("alice", "secret"))).toBe(200);
    expect(await registry.statusFor(await registry.tokenFor("acme+ci", robotToken))).toBe(200);
    expect(await registry.statusFor(tokenFromBefore)).toBe(200);
  });

  it("leaves the old server behind", async () => {
    await follow("After", 0, 1);
    await expect(registry.tokenFor("alice", "secret")).rejects.toThrow("The user name must be a robot's");
    expect(await registry.statusFor(await registry.tokenFor("acme+ci", robotToken))).toBe(200);
  });

  it("has no other command", () => {
    expect(commands.map(({ heading }) => heading)).toEqual([
      "1. Tell Berth",
      ...Array(3).fill("2. Trust both"),
      "After",
    ]);
  });
});
