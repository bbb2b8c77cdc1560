import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFile(new URL(path, root), "utf8");
/** As a forge makes a heading's anchor. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

it.each(["SECURITY.md", "docs/deploy-workers.md", "test/conformance/README.md"])(
  "%s leads only to what is there",
  async (page) => {
    const links = [...(await read(page)).matchAll(/\]\((?!https:)([^)#]*)(?:#([^)]+))?\)/g)];
    expect(links.length).toBeGreaterThan(0);
    for (const [link, path = "", heading] of links) {
      const target = new URL(path || page, path ? new URL(page, root) : root);
      const text = await readFile(target, "utf8");
      if (heading === undefined) continue;
      const headings = Array.from(text.matchAll(/^#+ (.+)$/gm), ([, title = ""]) => anchor(title));
      expect(headings, link).toContain(heading);
    }
  },
);

it("SECURITY.md names only settings that there are", async () => {
  const [page, readme] = await Promise.all([read("SECURITY.md"), read("README.md")]);
  const known = readme.split("\n").filter((line) => line.startsWith("| `"));
  const named = [...page.matchAll(/`((?:BERTH|TLS)_[A-Z_]+)(?:=\w+)?`/g)];
  expect(named.length).toBeGreaterThan(8);
  for (const [, name = ""] of named) {
    const setting = name.replace(/^(BERTH_\w+?)_FILE$/, "$1");
    const isKnown =
      known.some((line) => line.split(" | ")[0]?.includes(`\`${setting}\``)) || readme.includes(`${setting}=true`);
    expect(isKnown, name).toBe(true);
  }
});
