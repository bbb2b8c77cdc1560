import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { describeWith } from "../support/requirements.ts";
import { blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/quay.md", import.meta.url);
const storedToken = "A".repeat(64);

/** What Quay answers of an organization, in its shapes. */
function quayAnswers(issuer: string): Record<string, unknown> {
  const times = { created: "Sun, 26 Sep 2021 14:22:14 -0000", last_accessed: null };
  const avatar = { name: "x", hash: "00", color: "#d62728", kind: "user" };
  const robot = (name: string, description: string | null) => ({ name, ...times, description });
  const user = (name: string, isRobot: boolean) => ({
    name,
    is_robot: isRobot,
    kind: "user",
    is_org_member: true,
    avatar,
  });
  const team = { name: "owners", kind: "team", avatar };
  const [ci, cd] = [robot("acme+ci", "builds"), robot("acme+cd", null)];
  const permission = (name: string, role: string) => ({ repository: { name, is_public: false }, role });
  return {
    "robots?token=false": { robots: [ci, cd] },
    "robots/ci": { ...ci, token: storedToken, unstructured_metadata: { team: "web" } },
    "robots/cd": { ...cd, token: storedToken, unstructured_metadata: {} },
    "robots/ci/federation": [{ issuer, subject, isExpanded: false }],
    "robots/cd/federation": [],
    "robots/ci/permissions": { permissions: [permission("app", "write"), permission("base", "read")] },
    "robots/cd/permissions": { permissions: [] },
    prototypes: {
      prototypes: [
        { activating_user: null, delegate: user("acme+cd", true), role: "read", id: "1" },
        { activating_user: null, delegate: team, role: "admin", id: "2" },
        { activating_user: user("anna", false), delegate: user("acme+ci", true), role: "write", id: "3" },
      ],
    },
  };
}

describeWith(["curl", "jq"], "docs/quay.md by hand", () => {
  let directory: string;
  let berth: TestBerth;
  let jobs: TestIssuer;
  let quay: Server;
  const outputs = new Map<string, string[]>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-quay-page-"));
    [berth, jobs] = await Promise.all([startBerth(), startIssuer()]);
    const [port, answers, token] = [await freePort(), quayAnswers(jobs.url), "a-token-of-an-application"];
    quay = createServer(({ url = "", headers }, response) => {
      const answer = answers[url.replace("/api/v1/organization/acme/", "")];
      const isGood = headers.authorization === `Bearer ${token}`;
      response.writeHead(isGood ? (answer ? 200 : 404) : 401, { "content-type": "application/json" });
      response.end(JSON.stringify(answer ?? {}));
    });
    await new Promise<void>((resolve) => quay.listen(port, "127.0.0.1", resolve));
    const environment = {
      QUAY: `http://127.0.0.1:${port}`,
      QUAY_TOKEN: token,
      BERTH: berth.url,
      TOKEN: berth.adminToken,
      ORG: "acme",
      OIDC_TOKEN: await jobs.sign("https://quay.example"),
    };
    for (const { heading, code } of await blocksOf(page, "sh")) {
      if (code.startsWith("export ")) continue;
      outputs.set(heading, [...(outputs.get(heading) ?? []), await runShell(code, directory, environment)]);
    }
  });

  afterAll(async () => {
    await Promise.all([berth.remove(), jobs.close(), new Promise((resolve) => quay.close(resolve))]);
    await rm(directory, { recursive: true });
  });

  it("reads what has a place here, tells what has none, and leaves no stored token behind", async () => {
    expect(outputs.get("1. Read Quay")).toEqual([
      "",
      "default permission: admin for the team owners\ndefault permission: write for the user acme+ci\n",
    ]);
    for (const file of await readdir(directory)) {
      expect(await readFile(join(directory, file), "utf8"), file).not.toContain(storedToken);
    }
  });

  it("tells what it would make, and makes it", async () => {
    const [told, done] = outputs.get("2. Make it here")?.slice(-2) ?? [];
    expect(told).toContain("create robot acme+ci\ncreate prototype acme+cd\n");
    expect(JSON.parse(done ?? "")).toMatchObject({ dry_run: false });
    const robot = "/organization/acme/robots/ci";
    expect((await berth.api("GET", robot)).body).toMatchObject({
      description: "builds",
      unstructured_metadata: { team: "web" },
    });
    expect((await berth.api("GET", `${robot}/federation`)).body).toMatchObject([{ issuer: jobs.url, subject }]);
    expect((await berth.api("GET", `${robot}/permissions`)).body.permissions).toMatchObject([
      { repository: { name: "app" }, role: "write" },
      { repository: { name: "base" }, role: "read" },
    ]);
    expect((await berth.api("GET", "/organization/acme/prototypes")).body.prototypes).toMatchObject([
      { delegate: { name: "acme+cd" }, role: "read" },
    ]);
  });

  it("takes the tokens that jobs ask for already", () => {
    const [, login] = outputs.get("3. Whom the tokens are meant for") ?? [];
    expect(login).toBe("900\n");
  });

  it("has no other command", () => {
    expect([...outputs].map(([heading, { length }]) => `${heading}: ${length}`)).toEqual([
      "1. Read Quay: 2",
      "2. Make it here: 2",
      "3. Whom the tokens are meant for: 2",
    ]);
  });
});
