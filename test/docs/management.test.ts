import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { describeWith } from "../support/requirements.ts";
import { blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/management.md", import.meta.url);

describeWith(["curl", "jq"], "docs/management.md by hand", () => {
  let directory: string;
  let berth: TestBerth;
  const outputs: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-management-page-"));
    berth = await startBerth();
    await berth.createRobot("acme+ci", { grants: [{ repository: "acme/*", actions: ["pull", "push"] }] });
    const environment = { BERTH: berth.url, TOKEN: berth.adminToken };
    for (const { code } of await blocksOf(page, "sh")) {
      if (!code.startsWith("export ")) outputs.push(await runShell(code, directory, environment));
    }
  });

  afterAll(async () => {
    await berth.remove();
    await rm(directory, { recursive: true });
  });

  it("leaves a principal with a token, whose role the last command made smaller", async () => {
    const token = (await readFile(join(directory, "terraform.token"), "utf8")).trim();
    const answer = await call(`${berth.url}/api/v1/user`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.body).toMatchObject({
      username: "terraform",
      super_user: false,
      organizations: [{ name: "acme", role: "reader" }],
      token: { expires_at: "2099-01-01T00:00:00.000Z" },
    });
  });

  it("tells who can push to a repository", () => {
    expect(outputs.at(-1)).toBe(`acme+ci pull,push by acme/* at ${berth.host}\n`);
  });

  it("leaves a robot that manages without a stored token, and changed it by its entity tag", async () => {
    const robot = "/organization/acme/robots/gitops";
    expect((await berth.api("GET", `${robot}/federation`)).body).toMatchObject([{ api: true }]);
    expect((await berth.api("GET", "/organization/acme/members")).body.members).toMatchObject([
      { name: "terraform", role: "reader" },
      { name: "acme+gitops", role: "admin" },
    ]);
    expect((await berth.api("GET", robot)).body.description).toBe("keeps acme");
  });
});
