import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type BerthProcess, spawnBerth } from "../support/berth-process.ts";
import { freePort } from "../support/free-port.ts";

let dataDir: string;
let port: number;
let berth: BerthProcess;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "berth-drain-"));
  port = await freePort();
  berth = await spawnBerth({ PORT: String(port), DATA_DIR: dataDir, BERTH_DRAIN_DELAY: "3" });
});

afterAll(async () => {
  await berth.end("SIGKILL");
  await rm(dataDir, { recursive: true, force: true });
});

it("a process that is to stop says so to its load balancer first, and serves what comes until then", async () => {
  expect(await ask("/readyz")).toMatchObject({ status: 200, connection: "keep-alive" });
  const ended = berth.end("SIGTERM");
  await expect.poll(() => ask("/readyz")).toMatchObject({ status: 503, connection: "close" });
  for (const path of ["/healthz", "/.well-known/jwks.json"]) {
    expect(await ask(path)).toEqual({ status: 200, connection: "close" });
  }
  expect(await ended).toBe(0);
  await expect(ask("/healthz")).rejects.toThrow("ECONNREFUSED");
});

/** On a connection of its own, which the client would keep. */
function ask(path: string): Promise<{ status: number | undefined; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    const headers = { connection: "keep-alive" };
    const asked = request({ host: "127.0.0.1", port, path, agent: false, headers }, (response) => {
      response.resume();
      resolve({ status: response.statusCode, connection: response.headers.connection });
    });
    asked.once("error", reject);
    asked.end();
  });
}
