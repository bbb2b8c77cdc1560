import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { codeBlocks } from "../support/documentation.ts";
import { describeWith } from "../support/requirements.ts";
import { runShell } from "./shell.ts";

const page = new URL("../../docs/api.md", import.meta.url);

describeWith(["curl", "jq"], "docs/api.md by hand", () => {
  let berth: TestBerth;

  beforeAll(async () => {
    berth = await startBerth();
    for (const name of ["acme", "zenith"]) await berth.api("POST", "/organization", { name });
  });

  afterAll(() => berth.remove());

  const run = async (heading: string) => {
    const [code = ""] = await codeBlocks(page, heading, "sh");
    return runShell(code, tmpdir(), { BERTH: berth.url, TOKEN: berth.adminToken });
  };

  it("reads a list page by page", async () => {
    expect(await run("Read a list")).toBe("acme\nzenith\n");
  });

  it("shows the refusal that there is", async () => {
    expect([await run("When it refuses")]).toEqual(await codeBlocks(page, "When it refuses", "json"));
  });

  it("lists the statuses that the description has, and 405", async () => {
    const listed = Array.from((await readFile(page, "utf8")).matchAll(/^\| (\d{3}) \|/gm), ([, status]) => status);
    const description = await (await fetch(`${berth.url}/openapi.json`)).json();
    const declared = Object.values<Record<string, { responses: object }>>(description.paths)
      .flatMap((item) => Object.values(item).flatMap(({ responses }) => Object.keys(responses)))
      .filter((status) => Number(status) >= 400);
    expect(listed).toEqual([...new Set([...declared, "405"])].sort());
  });
});
