import { readFile } from "node:fs/promises";

/** The code blocks of one language under a heading of a page, at whatever level: what a reader would copy. */
export async function codeBlocks(page: URL, heading: string, language: string): Promise<string[]> {
  const sections = (await readFile(page, "utf8")).split(/^#+ /m);
  const section = sections.find((one) => one.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${page.pathname} has no heading "${heading}"`);
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, code = ""]) => code);
}
