import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildWorker, type WorkerBundle } from "../support/worker.ts";

/** A bundle may have 500 kB. What would bring it over this is worth a look. */
const GZIP_BYTES = 420_000;
/** What postgres.js needs, and `nodejs_compat` gives. */
const NODE_MODULES = ["node:buffer", "node:events", "node:stream"];

let directory: string;
let bundle: WorkerBundle;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-worker-"));
  bundle = await buildWorker(directory);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe("the Worker's bundle", () => {
  it("is small enough to start at once", () => {
    const bytes = gzipSync(bundle.code).length;
    console.log(`the Worker's bundle: ${Math.round(bytes / 1000)} kB with gzip, of ${GZIP_BYTES / 1000}`);
    expect(bytes).toBeLessThanOrEqual(GZIP_BYTES);
  });

  it("asks the platform for sockets and for the parts of Node that the driver needs, and for nothing else", () => {
    expect([...bundle.imports].sort()).toEqual(["cloudflare:sockets", ...NODE_MODULES]);
    const named = bundle.code.toString().match(/["'`]node:[\w/]+["'`]/g) ?? [];
    expect([...new Set(named.map((quoted) => quoted.slice(1, -1)))].sort()).toEqual(NODE_MODULES);
  });

  it("leaves what is Node's at home", () => {
    expect([...bundle.packages]).toEqual(expect.arrayContaining(["hono", "jose", "postgres", "openid-client"]));
    for (const name of [
      "@electric-sql/pglite",
      "undici",
      "commander",
      "@hono/node-server",
      "prom-client",
      "@opentelemetry/api",
    ]) {
      expect(bundle.packages).not.toContain(name);
    }
  });
});
