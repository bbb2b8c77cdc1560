import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { describeWith } from "../support/requirements.ts";
import { blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/audit.md", import.meta.url);
const services = new URL("../../src/services/", import.meta.url);

describeWith(["curl"], "docs/audit.md by hand", () => {
  let directory: string;
  let berth: TestBerth;
  const outputs = new Map<string, string[]>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-audit-page-"));
    berth = await startBerth();
    await berth.createRobot("acme+ci", { grants: [{ repository: "acme/*", actions: ["pull"] }] });
    await berth.api("POST", "/organization/", { name: "oldname" });
    await berth.api("DELETE", "/organization/oldname");
    const environment = { BERTH: berth.url, TOKEN: berth.adminToken };
    for (const { heading, code } of await blocksOf(page, "sh")) {
      if (code.startsWith("export ")) continue;
      outputs.set(heading, [...(outputs.get(heading) ?? []), await runShell(code, directory, environment)]);
    }
  });

  afterAll(async () => {
    await berth.remove();
    await rm(directory, { recursive: true });
  });

  it("reads a page of the shape that it shows", async () => {
    const [shown] = await blocksOf(page, "json");
    const members = [...(shown?.code ?? "").matchAll(/"([a-z_]+)":/g)].map(([, name = ""]) => name);
    const { logs, next_page } = JSON.parse(outputs.get("Read it")?.[0] ?? "");
    expect(logs).toHaveLength(2);
    expect(next_page).toBeTypeOf("string");
    expect(members).toEqual(expect.arrayContaining(["logs", "next_page", ...Object.keys(logs[0])]));
  });

  it("exports all of it", async () => {
    const lines = (await readFile(join(directory, "audit.ndjson"), "utf8")).trimEnd().split("\n");
    const kinds = lines.map((line) => JSON.parse(line).kind);
    expect(kinds).toEqual(["org_delete", "org_create", "change_robot_grants", "create_robot", "org_create"]);
  });

  it("frees a name", async () => {
    const [listed = "", freed] = outputs.get("Names that were given up")?.[0]?.split("\n") ?? [];
    expect(JSON.parse(listed).deleted_organizations).toMatchObject([{ name: "oldname" }]);
    expect(freed ?? "").toBe("");
    expect((await berth.api("GET", "/deleted-organizations")).body.deleted_organizations).toEqual([]);
  });
});

describe("the kinds of records", () => {
  it("are those of the page", async () => {
    const table = (await readFile(page, "utf8")).split("## Kinds")[1] ?? "";
    const told = [...table.matchAll(/`([a-z_]+)`/g)].map(([, kind = ""]) => kind).filter((kind) => kind !== "code");
    const files = (await readdir(services, { recursive: true })).filter((name) => name.endsWith(".ts"));
    const source = (await Promise.all(files.map((name) => readFile(new URL(name, services), "utf8")))).join("\n");
    const kind =
      /"((?:audit|change|create|delete|modify|org|put|refresh|regenerate|revoke|rotate)_[a-z_]+|federated_robot_token_exchange|registry_token|management)"/g;
    const written = new Set([...source.matchAll(kind)].map(([, name = ""]) => name));
    const counted = ["federated_robot_token_refusals", "registry_token_refusals", "management_refusals"];
    expect(new Set(told.filter((name) => name !== "kind"))).toEqual(new Set([...written, ...counted]));
  });
});
