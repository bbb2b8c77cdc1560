import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";

const script = fileURLToPath(new URL("../support/cluster-of-metrics.ts", import.meta.url));
let primary: ChildProcess;
let url: string;

beforeAll(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  primary = spawn(process.execPath, [script, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  await once(primary.stdout as Readable, "data");
});

afterAll(async () => {
  const ended = once(primary, "exit");
  primary.kill("SIGTERM");
  await ended;
});

async function get(path: string): Promise<string> {
  return (await fetch(`${url}${path}`)).text();
}

async function exchangesCounted(): Promise<number> {
  return Number(/^berth_exchanges_total\{.*\} (\d+)$/m.exec(await get("/metrics"))?.[1]);
}

/** Counts until both workers have: the primary hands connections to them by turns. */
async function countByBoth(): Promise<number> {
  const workers = new Set<string>();
  let counted = 0;
  for (; workers.size < 2 || counted < 6; counted += 1) workers.add(await get("/exchanges"));
  return counted;
}

it("tells the figures of all workers, whichever of them is asked, and what those that ended had counted", async () => {
  const counted = await countByBoth();
  expect([await exchangesCounted(), await exchangesCounted()]).toEqual([counted, counted]);

  const frozen = get("/freeze");
  expect(await exchangesCounted()).toBe(counted);
  await frozen;

  await get("/end");
  expect(await exchangesCounted()).toBe(counted);
});

it("shows a histogram and a process as they are together", async () => {
  const text = await get("/metrics");
  expect(text.match(/^# TYPE berth_exchanges_total counter$/gm)).toHaveLength(1);
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  expect(text).toMatch(/^berth_build_info\{version="[^"]+"\} 1$/m);
});
