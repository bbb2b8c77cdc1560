import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { startBerth } from "../support/berth.ts";
import { describeWith } from "../support/requirements.ts";
import { blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/observability.md", import.meta.url);

describeWith(["curl", "jq"], "docs/observability.md by hand", () => {
  it("comes by the figures with a token that opens nothing else, and tells Prometheus how", async () => {
    const directory = await mkdtemp(join(tmpdir(), "berth-observability-page-"));
    const berth = await startBerth();
    try {
      const commands = (await blocksOf(page, "sh")).filter(({ code }) => !code.startsWith("export "));
      expect(commands).toHaveLength(1);
      const environment = { BERTH: berth.url, TOKEN: berth.adminToken };
      expect(await runShell(commands[0]?.code ?? "", directory, environment)).toContain("berth_build_info{");
      const [{ code = "" } = {}] = await blocksOf(page, "yaml");
      expect(parse(code).scrape_configs[0]).toMatchObject({ job_name: "berth" });
    } finally {
      await berth.remove();
      await rm(directory, { recursive: true });
    }
  });
});
