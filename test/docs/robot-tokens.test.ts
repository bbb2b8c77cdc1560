import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { describeWith } from "../support/requirements.ts";
import { blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/robot-tokens.md", import.meta.url);

describeWith(["curl"], "docs/robot-tokens.md by hand", () => {
  let directory: string;
  let berth: TestBerth;
  const outputs = new Map<string, string[]>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-tokens-page-"));
    berth = await startBerth();
    await berth.createRobot("acme+ci");
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

  const answerOf = (heading: string) => JSON.parse(outputs.get(heading)?.[0] ?? "");

  it("gets a token of the form that scanners are told, and one ready for each client", async () => {
    const [, form = ""] = /`(berth_robot_\[.+?)`/.exec(await readFile(page, "utf8")) ?? [];
    expect(answerOf("Get one")).toMatchObject({ name: "acme+ci", token_expires_at: null });
    expect(answerOf("Get one").token).toMatch(new RegExp(`^${form}$`));
    expect(await readFile(join(directory, "login.sh"), "utf8")).toContain("docker login");
    const secret = parse(await readFile(join(directory, "pull-secret.yaml"), "utf8"));
    expect(secret).toMatchObject({ kind: "Secret", metadata: { name: "acme--ci" } });
  });

  it("gives it an end, changes it, ends it, and has none", async () => {
    expect(answerOf("Give it an end").token_expires_at).toBe("2099-12-31T00:00:00.000Z");
    expect(answerOf("Change it without refusing anybody").token).toBeTypeOf("string");
    expect(outputs.get("End it")).toEqual([""]);
    expect(answerOf("Have none").robot_tokens).toBe("never");
    const { body } = await berth.api("GET", "/organization/acme/logs?kind=delete_robot_token");
    expect(body.logs[0].metadata).toEqual({ ended: 2 });
  });
});
