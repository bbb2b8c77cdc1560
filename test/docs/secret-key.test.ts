import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";

// docs/keys.md, "Changing BERTH_SECRET_KEY", with a file, on one instance.

const makeKey = () => randomBytes(32).toString("base64");
const [OLD, NEW, STRANGE] = [makeKey(), makeKey(), makeKey()];

let directory: string;
let file: string;
let berth: TestBerth;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-secret-key-"));
  file = join(directory, "key");
  await writeFile(file, OLD);
  berth = await start();
});

afterAll(async () => {
  await berth.stop();
  await rm(directory, { recursive: true });
});

const start = () =>
  startBerth({ dataDir: join(directory, "data"), environment: { BERTH_SECRET_KEY_FILE: file, LOG_LEVEL: "info" } });

/** Changes the file, and waits until the log says what came of it. */
async function change(keys: readonly string[], message: string): Promise<void> {
  const told = () => berth.log.filter((line) => line.includes(message)).length;
  const before = told();
  await writeFile(file, keys.join(","));
  await vi.waitFor(() => expect(told()).toBe(before + 1), { timeout: 15_000, interval: 100 });
}

it("is done in steps, without a restart", async () => {
  for (const keys of [[OLD, NEW], [NEW, OLD], [NEW]]) await change(keys, '"secret keys reloaded"');
  const rotated = await berth.api("POST", "/keys/rotate", {});
  expect(rotated.status, JSON.stringify(rotated.body)).toBe(200);
});

it("has no effect with a key that opens nothing: those before stay", async () => {
  await change([STRANGE], "cannot be used; those before stay");
  expect((await berth.api("POST", "/keys/rotate", {})).status).toBe(200);
  for (const secret of [OLD, NEW, STRANGE]) expect(berth.log.join("\n")).not.toContain(secret);
});

it("leaves nothing behind that the old key would have to open", async () => {
  await berth.stop();
  await expect(start()).rejects.toThrow(/sealed with the key \S+, which is not among those given/);
  await writeFile(file, OLD);
  await expect(start()).rejects.toThrow(/sealed with the key \S+, which is not among those given/);
  await writeFile(file, NEW);
  berth = await start();
  expect((await berth.api("GET", "/user/")).status).toBe(200);
});
