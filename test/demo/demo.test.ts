import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { call } from "../support/berth.ts";
import { missing } from "../support/requirements.ts";
import { registryRequirements } from "./registry-show.ts";

const demoFile = fileURLToPath(new URL("demo.ts", import.meta.url));

function startDemo(...args: string[]) {
  const child = spawn(process.execPath, [demoFile, ...args]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const exit = once(child, "exit").then(([code]) => code as number | null);
  return { output: () => output, exit, interrupt: () => child.kill("SIGINT") };
}

it("holds every step, and says what it left out", async () => {
  const demo = startDemo();
  expect(await demo.exit, demo.output()).toBe(0);
  expect(demo.output()).toContain("every step held");
  const lacking = missing(registryRequirements);
  for (const one of lacking) expect(demo.output()).toContain(one);
  expect(demo.output().includes("podman pull")).toBe(lacking.length === 0);
  expect(demo.output()).not.toContain("\u001b[");
});

it("stays up when asked, with what to try", async () => {
  const demo = startDemo("--keep");
  await expect.poll(demo.output, { timeout: 50_000 }).toContain("Ctrl-C ends it");
  const [, url, token] = /export BERTH=(\S+) TOKEN=(\S+)/.exec(demo.output()) ?? [];
  const logs = await call(`${url}/api/v1/organization/acme/logs`, { headers: { authorization: `Bearer ${token}` } });
  expect(logs.body.logs.map((record: { code: string | null }) => record.code)).toContain("subject_mismatch");
  demo.interrupt();
  expect(await demo.exit, demo.output()).toBe(0);
});

it("explains itself", async () => {
  const demo = startDemo("--help");
  expect(await demo.exit).toBe(0);
  expect(demo.output()).toContain("--keep");
});
