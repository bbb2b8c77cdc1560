import { readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const folder = new URL("../conformance/", import.meta.url);

it("the wire contract's page has each clause once, and each is a test", async () => {
  const page = await readFile(new URL("README.md", folder), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| where"));
  const clauses = rows.map((row) => row.split(" | ")[1]);
  const tests: string[] = [];
  for (const name of await readdir(new URL("clauses/", folder))) {
    const source = await readFile(new URL(`clauses/${name}`, folder), "utf8");
    tests.push(...Array.from(source.matchAll(/^ +it\("(.+?)", async/gm), ([, title = ""]) => title));
  }
  expect(clauses.toSorted()).toEqual(tests.toSorted());
  for (const row of rows) expect(row.split(" | ")[2], row).toMatch(/^\S.* \|$/);
});
