import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** A code block of a page, with the heading that it stands under. */
export interface Block {
  readonly heading: string;
  readonly code: string;
}

/** All code blocks of a page in one language, in order; those in lists too. */
export async function blocksOf(page: URL, language: string): Promise<Block[]> {
  const sections = (await readFile(page, "utf8")).split(/^#+ /m).slice(1);
  const fence = new RegExp(`^( *)\`\`\`${language}\\n(.*?)^\\1\`\`\``, "gms");
  return sections.flatMap((section) => {
    const heading = section.slice(0, section.indexOf("\n"));
    return [...section.matchAll(fence)].map(([, indent = "", code = ""]) => ({
      heading,
      code: code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    }));
  });
}

/**
 * Runs commands as somebody would who copies them.
 *
 * @returns what they wrote
 * @throws when one of them fails
 */
export async function runShell(
  code: string,
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const { PATH = "" } = process.env;
  const options = { cwd: directory, env: { PATH, HOME: directory, ...environment } };
  const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", code], options);
  return stdout;
}
