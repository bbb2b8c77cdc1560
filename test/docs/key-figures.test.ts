import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { limits } from "../../src/limits.ts";

const read = (name: string) => readFile(new URL(`../../docs/${name}.md`, import.meta.url), "utf8");
const DAY_SECONDS = 24 * 3600;

it("keys.md and registries.md give the figures that hold", async () => {
  const [keys, registries] = await Promise.all([read("keys"), read("registries")]);
  const { rotationDays, maxRotationDays, overlapSeconds, leadSeconds } = limits.keys;
  const activeFor = [...keys.matchAll(/^\| (?:of|a) .*?\|.*?\| (\d+ \w+)/gm)].map(([, time]) => time);
  expect(activeFor).toEqual([
    `${rotationDays.robot_token} days`,
    `${rotationDays.x5c} days`,
    `${rotationDays.registry_authority / 365} years`,
    `${rotationDays.kid} days`,
  ]);
  expect(registries).toContain(`| \`x5c\`: ${rotationDays.x5c}, \`kid\`: ${rotationDays.kid} |`);
  expect(registries).toContain(`how long a signing key is active, ${maxRotationDays} at most;`);
  expect(keys).toContain(`For the last ${limits.keys.warnDays} days before such a turn`);
  // "another day" and "a day"
  expect([overlapSeconds, leadSeconds]).toEqual([DAY_SECONDS, DAY_SECONDS]);

  const { chain, broughtMinSeconds, authoritySeconds } = limits.certificates;
  expect(keys).toContain(`its certificate is nearly ${authoritySeconds / DAY_SECONDS / 365} years old`);
  expect(keys).toContain(`good for another ${broughtMinSeconds / DAY_SECONDS} days`);
  expect([keys.includes("four at most"), chain]).toEqual([true, 4]);

  const { minSeconds, maxSeconds } = limits.registryToken;
  expect(registries).toContain(`seconds that its tokens are good for, ${minSeconds} to ${maxSeconds} |`);
  expect(registries).toContain(
    `names at most ${limits.scopes} scopes, and no answer is longer than ${limits.answerBytes / 1024} KiB`,
  );
});
