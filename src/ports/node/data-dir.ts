import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Secret } from "../../domain/secret.ts";

export const adminTokenFile = "admin-token";
export const secretKeyFile = "secret-key";
const LOCK_FILE = "lock";
const SQLITE_BUSY = 5;
const IN_USE = "is in use by another process. Stop that one, or give this one a DATA_DIR of its own.";

/** Something is wrong with `DATA_DIR`; the message says what to do. */
export class DataDirError extends Error {
  override readonly name = "DataDirError";
}

export interface DataDirLock {
  release(): void;
}

/**
 * Makes the directory and keeps every other process out of it. The lock is the kernel's, taken through
 * SQLite: it ends with the process however that ends, and holds across containers that share a volume.
 *
 * @param inUse what is told of the directory when another process has it
 * @throws {DataDirError}
 */
export async function lockDataDir(dataDir: string, inUse = IN_USE): Promise<DataDirLock> {
  await makeDirectory(dataDir).catch((cause) => {
    throw new DataDirError(`DATA_DIR ${dataDir} cannot be made or used (${cause.code ?? cause.message}).`, { cause });
  });
  const { DatabaseSync } = await import("node:sqlite").catch((cause) => {
    throw new DataDirError(
      `The embedded database needs Node.js 22.13 or newer, and this is ${process.version}. Use a newer one, or set DATABASE_URL.`,
      { cause },
    );
  });
  const lock = new DatabaseSync(join(dataDir, LOCK_FILE), { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new DataDirError(`${dataDir} ${inUse}`, { cause: error });
  }
  return { release: () => lock.close() };
}

/** Step by step: on some file systems, Node's own recursive way never ends. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
}

export interface KeptSecret {
  readonly value: Secret;
  readonly path: string;
  readonly isNew: boolean;
}

/** Reads a secret that an earlier start made, or makes it: 32 random bytes in a file for the owner alone. */
export async function keepSecret(dataDir: string, file: string, encoding: "base64" | "base64url"): Promise<KeptSecret> {
  const path = join(dataDir, file);
  const stored = await readFile(path, "utf8").catch((error) => {
    if (error.code !== "ENOENT") throw error;
    return undefined;
  });
  if (stored !== undefined) return { value: new Secret(stored.trim()), path, isNew: false };
  const made = randomBytes(32).toString(encoding);
  await writeWhole(path, `${made}\n`);
  return { value: new Secret(made), path, isNew: true };
}

/** Writes a file that is there whole or not at all, and on the disk when this returns. */
async function writeWhole(path: string, content: string): Promise<void> {
  const unfinished = `${path}.unfinished`;
  const file = await open(unfinished, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
}
