import { globSync, readFileSync } from "node:fs";
import { inspect } from "node:util";
import { expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";

it("a secret is shown only when it is asked for", () => {
  const secret = new Secret("correct horse");
  const renderings = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true, depth: 9 }),
  ];
  for (const rendering of renderings) {
    expect(rendering).toContain("[redacted]");
    expect(rendering).not.toContain("horse");
  }
  expect(secret.reveal()).toBe("correct horse");
});

it("a secret is compared with nothing: it is looked up by its hash, verified, or handed on", () => {
  const sources = globSync("src/**/*.ts", { cwd: new URL("../../", import.meta.url) });
  expect(sources.length).toBeGreaterThan(100);
  for (const source of sources) {
    const text = readFileSync(new URL(`../../${source}`, import.meta.url), "utf8");
    expect(text, source).not.toMatch(
      /reveal\(\)\s*[!=]=|[!=]==?\s*[\w.?!]*reveal\(\)|(includes|startsWith|indexOf)\([\w.?!]*reveal\(\)/,
    );
  }
});
