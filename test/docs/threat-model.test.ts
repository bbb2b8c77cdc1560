import { readdir, readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url);
let page: string;
let rules: string[];

beforeAll(async () => {
  page = await readFile(new URL("docs/threat-model.md", root), "utf8");
  rules = page.split("\n").filter((line) => /^\| [0-9]+ \|/.test(line));
});

const testsIn = (text: string) => [...text.matchAll(/`(test\/[^`]+)`/g)].map(([, path = ""]) => path);
const codesIn = (text: string) => [...text.matchAll(/\[`([a-z_]+)`\]\(errors\/([a-z_]+)\.md\)/g)];

describe("the threat model", () => {
  it("has a line for each of the eighteen rules, with an attack, a rule, a code and a test", () => {
    const numbers = Array.from({ length: 18 }, (_, index) => String(index + 1));
    expect(rules.map((line) => line.split(" | ")[0]?.slice(2))).toEqual(numbers);
    for (const line of rules) {
      const [, attack, rule, codes = "", tests = "", ...rest] = line.replace(/ \|$/, "").split(" | ");
      expect([attack, rule].join("")).toMatch(/\S/);
      expect(codesIn(codes).length, line).toBeGreaterThan(0);
      expect(testsIn(tests).length, line).toBeGreaterThan(0);
      expect(rest).toEqual([]);
    }
  });

  it("names a test for each attack, and only tests that are there", async () => {
    const attacks = page.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| #"));
    for (const line of attacks.filter((one) => !one.startsWith("| attack")))
      expect(testsIn(line), line).not.toEqual([]);
    for (const path of testsIn(page)) {
      expect(await readFile(new URL(path, root), "utf8"), path).toMatch(/\b(it|describe)(\.each|With)?[(<]/);
    }
  });

  it("names every code that an exchange is refused with, by the page that explains it", async () => {
    const source = await readFile(new URL("src/domain/refusal.ts", root), "utf8");
    const codes = [...source.matchAll(/readonly code: "([a-z_]+)"/g)].map(([, code = ""]) => code);
    const named = codesIn(page);
    expect(new Set(named.map(([, code]) => code))).toEqual(new Set([...codes, "token_refused"]));
    const pages = await readdir(new URL("docs/errors/", root));
    for (const [, code, file] of named) {
      expect(file).toBe(code);
      expect(pages).toContain(`${file}.md`);
    }
  });
});
