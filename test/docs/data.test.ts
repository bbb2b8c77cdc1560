import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call } from "../support/berth.ts";
import { spawnBerth } from "../support/berth-process.ts";
import { berthProgram } from "../support/built-berth.ts";
import { freePort } from "../support/free-port.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { type Block, blocksOf, runShell } from "./shell.ts";

const page = new URL("../../docs/data.md", import.meta.url);

let directory: string;
let database: TestPostgres;
let blocks: readonly Block[];
let port: string;
const BERTH_ADMIN_TOKEN = randomBytes(24).toString("base64url");

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-data-page-"));
  database = await startPostgres();
  blocks = await blocksOf(page, "sh");
  port = String(await freePort());
  await writeFile(join(directory, "berth"), `#!/bin/sh\nexec "${process.execPath}" "${berthProgram()}" "$@"\n`);
  await chmod(join(directory, "berth"), 0o755);
});

afterAll(async () => {
  await database.remove();
  await rm(directory, { recursive: true });
});

const DATA_DIR = () => join(directory, "data");
const codeUnder = (heading: string) => blocks.filter((block) => block.heading === heading).map(({ code }) => code);
const follow = (code: string, environment: Readonly<Record<string, string>>) =>
  runShell(`PATH=${directory}:$PATH\n${code}`, directory, environment);

/** Serves, and asks for what there is; makes it before if it is told to. */
async function organizationsOf(environment: Readonly<Record<string, string>>, make?: string): Promise<string[]> {
  const berth = await spawnBerth({ PORT: port, BERTH_ADMIN_TOKEN, ...environment });
  const headers = { authorization: `Bearer ${BERTH_ADMIN_TOKEN}`, "content-type": "application/json" };
  const url = `http://127.0.0.1:${port}/api/v1`;
  if (make) await call(`${url}/organization/`, { method: "POST", headers, body: JSON.stringify({ name: make }) });
  const { organizations } = (await call(`${url}/state`, { headers })).body;
  expect(await berth.end("SIGTERM")).toBe(0);
  return Object.keys(organizations);
}

it("a backup is taken and put back, into an empty database and in the place of another", async () => {
  expect(await organizationsOf({ DATA_DIR: DATA_DIR() }, "acme")).toEqual(["acme"]);
  const [backup = "exit 1"] = codeUnder("Backup");
  await follow(backup, { DATA_DIR: DATA_DIR() });
  const BERTH_SECRET_KEY = (await readFile(join(DATA_DIR(), "secret-key"), "utf8")).trim();
  const DATABASE_URL = await database.createDatabase("restored");
  const [restore = "exit 1", replace = "exit 1"] = codeUnder("Restore");
  await follow(restore, { DATABASE_URL, BERTH_SECRET_KEY });
  expect(await organizationsOf({ DATABASE_URL, BERTH_SECRET_KEY }, "later")).toEqual(["acme", "later"]);
  await follow(replace, { DATABASE_URL, BERTH_SECRET_KEY });
  expect(await organizationsOf({ DATABASE_URL, BERTH_SECRET_KEY })).toEqual(["acme"]);
});

it("a service moves from the embedded database to PostgreSQL", async () => {
  const NEW_DATABASE_URL = await database.createDatabase("moved");
  const [move = "exit 1"] = codeUnder("From the embedded database to PostgreSQL");
  await follow(move, { DATA_DIR: DATA_DIR(), NEW_DATABASE_URL });
  const BERTH_SECRET_KEY_FILE = join(DATA_DIR(), "secret-key");
  expect(await organizationsOf({ DATABASE_URL: NEW_DATABASE_URL, BERTH_SECRET_KEY_FILE })).toEqual(["acme"]);
});

it("every command of the page is run by a test", () => {
  const run = ["Backup", "Restore", "Restore", "From the embedded database to PostgreSQL"];
  expect(blocks.map(({ heading }) => heading)).toEqual(run);
});
