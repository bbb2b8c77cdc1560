import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { describeWith } from "../support/requirements.ts";
import { blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/state.md", import.meta.url);
const files: Readonly<Record<string, string>> = { "An organization": "acme.json", "The service": "state.json" };

describeWith(["curl"], "docs/state.md by hand", () => {
  let directory: string;
  let berth: TestBerth;
  const outputs: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-state-page-"));
    berth = await startBerth();
    await berth.createRobot("acme+old");
    await berth.api("POST", "/principals", { name: "terraform" });
    const environment = { BERTH: berth.url, TOKEN: berth.adminToken };
    const documents = await blocksOf(page, "json");
    for (const { heading, code } of await blocksOf(page, "sh")) {
      if (code.startsWith("export ")) continue;
      const document = documents.find((one) => one.heading === heading);
      const isPut = code.includes("-X PUT");
      if (isPut && document) await writeFile(join(directory, files[heading] ?? ""), document.code);
      outputs.push(await runShell(code, directory, environment));
    }
  });

  afterAll(async () => {
    await berth.remove();
    await rm(directory, { recursive: true });
  });

  const answer = (index: number) => JSON.parse(outputs[index] ?? "");

  it("tells first, then makes an organization what the document says", async () => {
    const [told, done] = [answer(1), answer(2)];
    expect(told.changes).toEqual(done.changes);
    expect([told.dry_run, done.dry_run]).toEqual([true, false]);
    expect(done.changes.map(({ action, kind, name }: Record<string, string>) => `${action} ${kind} ${name}`)).toEqual([
      "change settings acme",
      "create member terraform",
      "create robot acme+ci",
      "create robot acme+deploy",
      "delete robot acme+old",
      "create prototype acme+deploy",
    ]);
    expect((await berth.api("GET", "/organization/acme/robots/ci/grants")).body).toMatchObject([
      { repository: "acme/app", actions: ["pull", "push"] },
    ]);
  });

  it("tells what the service's document would change, and keeps what it leaves out", async () => {
    const told = answer(3);
    expect(told.changes.map(({ action, kind, name }: Record<string, string>) => `${action} ${kind} ${name}`)).toEqual([
      "create issuer https://kubernetes.example (build cluster)",
      "create registry mirror.example",
      "change principal terraform",
    ]);
    expect((await berth.api("GET", "/registries/mirror.example")).status).toBe(404);
  });
});
