import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own, in memory, that can be filled up. */
export interface SmallDisk {
  readonly path: string;
  /** Leaves so many bytes free. */
  fill(bytes?: number): void;
  makeRoom(): void;
  remove(): void;
}

export function mountSmallDisk(mebibytes: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), "berth-small-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "none", path]);
  chmodSync(path, 0o711);
  const ballast = join(path, "ballast");
  return {
    path,
    fill(bytes = 0) {
      const { bavail, bsize } = statfsSync(path);
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - bytes));
    },
    makeRoom: () => rmSync(ballast),
    remove() {
      execFileSync("umount", ["-l", path]);
      rmdirSync(path);
    },
  };
}

/** Whether this process may mount file systems. */
export function canMount(): string | undefined {
  const tried = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
  return tried.status === 0 ? "mount" : undefined;
}
