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
