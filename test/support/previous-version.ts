import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The source as it was before the newest migration, beside the present one. */
export interface PreviousVersion {
  readonly source: string;
  remove(): Promise<void>;
}

/** The commit before the one that brought the newest migration; `undefined` where the history is not at hand. */
export function findPreviousVersion(): string | undefined {
  const journal = JSON.parse(readFileSync(join(root, "drizzle/meta/_journal.json"), "utf8"));
  const newest = `drizzle/${journal.entries.at(-1).tag}.sql`;
  try {
    const brought = git("log", "--diff-filter=A", "--format=%H", "--", newest);
    return git("rev-parse", "--verify", "--quiet", `${brought}^`);
  } catch {
    return undefined;
  }
}

export async function checkOutPreviousVersion(commit: string): Promise<PreviousVersion> {
  const source = await mkdtemp(join(tmpdir(), "berth-previous-"));
  git("worktree", "add", "--force", "--detach", source, commit);
  await symlink(join(root, "node_modules"), join(source, "node_modules"));
  return {
    source,
    async remove() {
      git("worktree", "remove", "--force", source);
      await rm(source, { recursive: true, force: true });
    },
  };
}

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}
