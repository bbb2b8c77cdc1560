import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { type WholeTable, wholeTables } from "../../../store/all-rows.ts";
import { SealError, type Sealer } from "../../../tokens/sealing.ts";

/** Of the file's form, not of the schema in it. */
const FORM = 1;
const SEAL_CONTEXT = "backup";

export interface BackupHeader {
  /** The last migration of the schema that the rows are of. */
  readonly schema: string;
  /** Of Berth. */
  readonly version: string;
  /** ISO 8601. */
  readonly madeAt: string;
}

/** Some rows of a table, as `readRows` gives them. */
export interface Rows {
  readonly table: WholeTable;
  readonly rows: readonly string[];
}

/** The file is no backup, not whole, or not for this; the message says what to do. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}

/**
 * Writes a file that is whole or not there: a header, tables with their rows, a line each, and at the end the
 * number of rows and a sealed digest of all, which nobody can make up who lacks the sealing key. Until it is whole,
 * its name ends in `.unfinished`.
 *
 * @returns the number of rows
 * @throws {BackupError}
 */
export async function writeBackup(
  path: string,
  header: BackupHeader,
  content: AsyncIterable<Rows>,
  sealer: Sealer,
): Promise<number> {
  requireAbsent(path);
  const unfinished = `${path}.unfinished`;
  const file = await open(unfinished, "wx", 0o600).catch((cause) => {
    if (cause.code !== "EEXIST") throw cause;
    throw new BackupError(
      `${unfinished} is there: of a backup that is under way, or was cut off. If none is under way, delete it.`,
      { cause },
    );
  });
  let count: number;
  try {
    count = await writeLines(file, header, content, sealer);
    await file.sync();
    requireAbsent(path);
  } catch (error) {
    await unlink(unfinished);
    throw error;
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  await syncDirectory(dirname(path));
  return count;
}

async function writeLines(
  file: FileHandle,
  { schema, version, madeAt }: BackupHeader,
  content: AsyncIterable<Rows>,
  sealer: Sealer,
): Promise<number> {
  const digest = createHash("sha256");
  const write = async (lines: readonly string[]) => {
    const text = lines.map((line) => `${line}\n`).join("");
    digest.update(text);
    await file.appendFile(text);
  };
  await write([JSON.stringify({ berth_backup: FORM, schema, version, made_at: madeAt })]);
  let count = 0;
  let last: WholeTable | undefined;
  for await (const { table, rows } of content) {
    if (table !== last) await write([headOf(table)]);
    last = table;
    await write(rows);
    count += rows.length;
  }
  const seal = await sealer.seal(new Uint8Array(digest.copy().digest()), SEAL_CONTEXT);
  await write([JSON.stringify({ rows: count, seal })]);
  return count;
}

/** A new name is on the disk when its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  await directory.sync().finally(() => directory.close());
}

function requireAbsent(path: string): void {
  if (existsSync(path)) throw new BackupError(`${path} is there already. Name a file that is not.`);
}

const BATCH_ROWS = 500;

/**
 * Reads a backup from its start to its end, and only there knows whether it was whole.
 *
 * @throws {BackupError} {SealError}
 */
export async function* readBackup(path: string, sealer: Sealer): AsyncGenerator<Rows> {
  const digest = createHash("sha256");
  let table: WholeTable | undefined;
  let rows: string[] = [];
  let count = 0;
  let isBegun = false;
  let isWhole = false;
  for await (const line of linesOf(path)) {
    if (isWhole) throw damaged(path);
    if (!isBegun) {
      isBegun = true;
    } else if (line.startsWith("[")) {
      if (!table) throw damaged(path);
      rows.push(line);
      count += 1;
      if (rows.length === BATCH_ROWS) {
        yield { table, rows };
        rows = [];
      }
    } else {
      if (table && rows.length > 0) yield { table, rows };
      rows = [];
      table = wholeTables.find((one) => headOf(one) === line);
      isWhole = !table && (await isSeal(line, count, digest.copy().digest(), sealer));
      if (!table && !isWhole) throw damaged(path);
    }
    digest.update(`${line}\n`);
  }
  if (!isWhole) throw damaged(path);
}

/** @throws {BackupError} */
export async function readHeader(path: string): Promise<BackupHeader> {
  for await (const line of linesOf(path)) {
    const { berth_backup: form, schema, version, made_at: madeAt } = parse(line);
    if (typeof form !== "number" || typeof schema !== "string") break;
    if (form !== FORM) {
      throw new BackupError(`${path} is of the form ${form}, and this berth reads ${FORM}: use berth ${version}.`);
    }
    return { schema, version: String(version), madeAt: String(madeAt) };
  }
  throw new BackupError(`${path} is no backup of Berth's: name a file that \`berth backup\` wrote.`);
}

async function isSeal(line: string, count: number, digest: Uint8Array, sealer: Sealer): Promise<boolean> {
  const { rows, seal } = parse(line);
  if (rows !== count || typeof seal !== "string") return false;
  const sealed = await sealer.open(seal, SEAL_CONTEXT).catch((error) => {
    // A key that is not given is another thing than a seal that is broken.
    if (error instanceof SealError && error.cause === undefined) throw error;
    return new Uint8Array();
  });
  return Buffer.from(digest).equals(sealed);
}

function headOf({ name, columns }: WholeTable): string {
  return JSON.stringify({ table: name, columns: columns.map((column) => column.name) });
}

function damaged(path: string): BackupError {
  return new BackupError(`${path} was altered or cut short since it was made. Nothing of it is used: take another.`);
}

function parse(line: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}

/** Of a header and of rows, none is longer. */
const MAX_LINE = 64 * 1024 * 1024;

/** At line feeds alone: JSON has those escaped, and others that end lines elsewhere not. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(path, "utf8")) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    if (rest.length > MAX_LINE) throw damaged(path);
  }
  if (rest !== "") yield rest;
}
