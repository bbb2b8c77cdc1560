import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSecretKeys } from "../../src/config.ts";
import { backup } from "../../src/ports/node/backup/backup.ts";
import { type Rows, readBackup, readHeader, writeBackup } from "../../src/ports/node/backup/backup-file.ts";
import { restore } from "../../src/ports/node/backup/restore.ts";
import { createSealer, type Sealer } from "../../src/tokens/sealing.ts";
import { makeSecretKey, type Outcome, runBerth } from "../support/backup.ts";
import { startBerth } from "../support/berth.ts";
import { openDump } from "../support/dump.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const BERTH_SECRET_KEY = makeSecretKey();
let directory: string;
let good: string;
let database: TestPostgres;
/** The database that each backup is taken to. */
let target: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-backup-"));
  good = join(directory, "good");
  database = await startPostgres();
  const DATABASE_URL = await database.createDatabase("source");
  const berth = await startBerth({ environment: { DATABASE_URL, BERTH_SECRET_KEY } });
  await berth.createRobot("acme+ci");
  await berth.remove();
  expect(await runBerth({ DATABASE_URL, BERTH_SECRET_KEY }, "backup", good)).toMatchObject({ code: 0 });
  target = await database.createDatabase("target");
});

afterAll(async () => {
  await database.remove();
  await rm(directory, { recursive: true });
});

async function expectRefused(outcome: Promise<Outcome>, told: RegExp | string): Promise<void> {
  const { code, stderr } = await outcome;
  expect(stderr).toMatch(told);
  expect(stderr).not.toMatch(/^ {4}at /m);
  expect(code).toBe(1);
}

describe("a restore is refused, and nothing is there then,", () => {
  const put = (path: string, environment: Record<string, string> = { DATABASE_URL: target, BERTH_SECRET_KEY }) =>
    restore(path, environment, { replaces: false }, () => {});

  async function expectNothing(): Promise<void> {
    const dump = openDump(target);
    expect(Object.values(await dump.tables()).flat()).toEqual([]);
    await dump.close();
  }

  const lines = async () => (await readFile(good, "utf8")).trimEnd().split("\n");
  const robotAt = (all: readonly string[]) => all.findIndex((line) => line.startsWith('{"table":"robots"')) + 1;

  it.each<[string, (all: string[]) => string]>([
    ["the end of its last line", (all) => all.join("\n").slice(0, -40)],
    ["its last line", (all) => `${all.slice(0, -1).join("\n")}\n`],
    ["its second half", (all) => all.slice(0, all.length / 2).join("\n")],
    ["a row", (all) => `${all.toSpliced(robotAt(all), 1).join("\n")}\n`],
    ["nothing, but has a letter changed", (all) => `${all.join("\n").replace('"acme"', '"acne"')}\n`],
    [
      "nothing, but has a row twice",
      (all) => `${all.toSpliced(robotAt(all), 0, all[robotAt(all)] ?? "").join("\n")}\n`,
    ],
    ["nothing, but has something behind it", (all) => `${all.join("\n")}\n[]\n`],
    ["nothing, but has a table of another name", (all) => `${all.join("\n").replace('"robots"', '"pg_class"')}\n`],
    [
      "nothing, but is of another moment",
      (all) => `${all.join("\n").replace(/"made_at":"[^"]+/, '"made_at":"2027')}\n`,
    ],
  ])("of a file that lacks %s", async (_, alter) => {
    const altered = join(directory, "altered");
    await writeFile(altered, alter(await lines()));
    const dataDir = join(directory, "unmade");
    for (const environment of [{ DATABASE_URL: target }, { DATA_DIR: dataDir }]) {
      await expect(put(altered, { ...environment, BERTH_SECRET_KEY })).rejects.toThrow("was altered or cut short");
    }
    expect(existsSync(dataDir)).toBe(false);
  });

  it("of another schema, with which version takes it", async () => {
    const other = join(directory, "other");
    await writeFile(other, (await readFile(good, "utf8")).replace(/"schema":"[^"]+"/, '"schema":"0001_older"'));
    await expect(put(other)).rejects.toThrow(
      /has the schema 0001_older.*Restore it with the version that made it, berth \d/,
    );
  });

  it.each([
    ["", /is no backup of Berth's/],
    ["\n", /is no backup of Berth's/],
    ["-- PostgreSQL database dump\n", /is no backup of Berth's/],
    [
      '{"berth_backup":2,"schema":"x","version":"9.0.0"}\n',
      /is of the form 2, and this berth reads 1: use berth 9\.0\.0/,
    ],
  ])("of %j", async (text, told) => {
    const other = join(directory, "other");
    await writeFile(other, text);
    await expect(put(other)).rejects.toThrow(told);
  });

  it("with another key, and without one", async () => {
    const onTarget = { DATABASE_URL: target };
    await expect(put(good, { ...onTarget, BERTH_SECRET_KEY: makeSecretKey() })).rejects.toThrow("is not among those");
    await expect(put(good, onTarget)).rejects.toThrow("BERTH_SECRET_KEY is required");
    const dataDir = join(directory, "unmade");
    await expect(put(good, { DATA_DIR: dataDir })).rejects.toThrow(
      /BERTH_SECRET_KEY is required.*unmade\/secret-key does not hold it/,
    );
    expect(existsSync(dataDir)).toBe(false);
  });

  it("where the key that is given sealed the file, but does not open what is in it", async () => {
    const newer = makeSecretKey();
    await rewrite("newer", await sealerOf([newer, BERTH_SECRET_KEY].join()), (rows) => rows);
    const environment = { DATABASE_URL: target, BERTH_SECRET_KEY: newer };
    await expect(put(join(directory, "newer"), environment)).rejects.toThrow("is not among those given");
  });

  it("where the database refuses a row at last", async () => {
    await rewrite("orphans", await sealerOf(BERTH_SECRET_KEY), (rows) =>
      rows.table.name === "organizations" ? { ...rows, rows: [] } : rows,
    );
    await expect(put(join(directory, "orphans"))).rejects.toThrow();
    await expectNothing();
  });

  it("with what to do about it, and no more", async () => {
    const environment = { DATABASE_URL: target, BERTH_SECRET_KEY };
    await expectRefused(
      runBerth(environment, "restore", join(directory, "absent")),
      /^Nothing is restored\.\n- .*absent/,
    );
    const other = { ...environment, BERTH_SECRET_KEY: makeSecretKey() };
    await expectRefused(
      runBerth(other, "restore", good),
      /^Nothing is restored\.\n- BERTH_SECRET_KEY: .* is not among/,
    );
  });

  it("all the while", expectNothing);

  async function rewrite(name: string, sealer: Sealer, change: (rows: Rows) => Rows): Promise<void> {
    const before = await sealerOf(BERTH_SECRET_KEY);
    async function* changed() {
      for await (const rows of readBackup(good, before)) yield change(rows);
    }
    await writeBackup(join(directory, name), await readHeader(good), changed(), sealer);
  }
});

async function sealerOf(keys: string): Promise<Sealer> {
  return createSealer(readSecretKeys(keys) ?? []);
}

it("a backup never takes the place of a file", async () => {
  const before = await readFile(good, "utf8");
  const environment = { DATABASE_URL: target, BERTH_SECRET_KEY };
  await expect(backup(good, environment, "0.0.0", () => {})).rejects.toThrow(
    "is there already. Name a file that is not",
  );
  expect(await readFile(good, "utf8")).toBe(before);
});

it("a backup has its name once it is whole, and one that was cut off another", async () => {
  const path = join(directory, "slow");
  const unfinished = `${path}.unfinished`;
  const sealer = await sealerOf(BERTH_SECRET_KEY);
  const header = await readHeader(good);
  const seen: [boolean, boolean][] = [];
  async function* content() {
    for await (const rows of readBackup(good, sealer)) {
      seen.push([existsSync(path), existsSync(unfinished)]);
      yield rows;
    }
  }
  await writeFile(unfinished, "cut off");
  await expect(writeBackup(path, header, content(), sealer)).rejects.toThrow(
    /slow\.unfinished is there: .* was cut off\. If none is under way, delete it/,
  );
  expect(await readFile(unfinished, "utf8")).toBe("cut off");
  await rm(unfinished);
  await writeBackup(path, header, content(), sealer);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.filter(([whole, begun]) => whole || !begun)).toEqual([]);
  expect(existsSync(unfinished)).toBe(false);
  expect(await readHeader(path)).toEqual(header);
});

it("a backup takes no place of a file that came while it was written", async () => {
  const path = join(directory, "taken");
  const sealer = await sealerOf(BERTH_SECRET_KEY);
  async function* content() {
    await writeFile(path, "another's");
    yield* readBackup(good, sealer);
  }
  await expect(writeBackup(path, await readHeader(good), content(), sealer)).rejects.toThrow("is there already");
  expect([await readFile(path, "utf8"), existsSync(`${path}.unfinished`)]).toEqual(["another's", false]);
});

it("what a database holds is deleted where that is asked for, and nobody serves from it", async () => {
  const DATABASE_URL = await database.createDatabase("held");
  const environment = { DATABASE_URL, BERTH_SECRET_KEY };
  const berth = await startBerth({ environment });
  await berth.createRobot("beta+other");
  const put = (replaces: boolean) => restore(good, environment, { replaces }, () => {});
  await expect(put(true)).rejects.toThrow("An instance serves from this database. Stop all of them first");
  await berth.remove();
  await expect(put(false)).rejects.toThrow(/holds data already\. .*by --replace/);
  expect(await organizationsOf(DATABASE_URL)).toEqual(["beta"]);
  expect(await runBerth(environment, "restore", "--replace", good)).toMatchObject({ code: 0 });
  expect(await organizationsOf(DATABASE_URL)).toEqual(["acme"]);
});

async function organizationsOf(url: string): Promise<string[]> {
  const sql = postgres(url, { max: 1 });
  const rows = await sql<{ name: string }[]>`select name from organizations`;
  await sql.end();
  return rows.map(({ name }) => name);
}

it("a database of an older version that holds something is refused before it is brought to this one", async () => {
  const DATABASE_URL = await database.createDatabase("older");
  const sql = postgres(DATABASE_URL, { max: 1 });
  await sql`create table organizations (name text)`;
  await sql`insert into organizations values ('old')`;
  const put = restore(good, { DATABASE_URL, BERTH_SECRET_KEY }, { replaces: false }, () => {});
  await expect(put).rejects.toThrow(/holds data already\. .*by --replace/);
  expect(await sql`select tablename from pg_tables where schemaname in ('public', 'drizzle')`).toMatchObject([
    { tablename: "organizations" },
  ]);
  await sql.end();
});

it("a backup of a database of another version is left to that version", async () => {
  const environment = { DATABASE_URL: await database.createDatabase("unmigrated"), BERTH_SECRET_KEY };
  const path = join(directory, "unmade");
  await expectRefused(
    runBerth(environment, "backup", path),
    /^Nothing is backed up\.\n- .*Take the backup with the version that serves from it/,
  );
  expect(existsSync(path)).toBe(false);
});

it("an embedded database that a service has open is left alone, and it is said what to do", async () => {
  const berth = await startBerth({ dataDir: join(directory, "data"), environment: { BERTH_SECRET_KEY } });
  const environment = { DATA_DIR: join(directory, "data"), BERTH_SECRET_KEY };
  const path = join(directory, "busy");
  const inUse = /data has an embedded database.*: stop that process, and start it again afterwards/;
  await expect(backup(path, environment, "0.0.0", () => {})).rejects.toThrow(inUse);
  await expect(restore(good, environment, { replaces: true }, () => {})).rejects.toThrow(inUse);
  await berth.stop();
  expect(existsSync(path)).toBe(false);
  expect(await backup(path, environment, "0.0.0", () => {})).toBeGreaterThan(0);
  await expect(backup(path, { ...environment, DATA_DIR: directory }, "0.0.0", () => {})).rejects.toThrow(
    "holds no database. Name the one of the service, or set DATABASE_URL",
  );
});
