import { expect, it } from "vitest";
import { createUses, noteIssued, otherRepositories } from "../../src/domain/uses.ts";

const at = (second: number) => new Date(Date.UTC(2030, 0, 1) + second * 1000);

it("counts what is issued for the same together, by the latest time", () => {
  const uses = createUses();
  const use = { robotId: "r", service: "s", access: [], count: 1 };
  noteIssued(uses, "a", { ...use, lastUsed: at(2) });
  noteIssued(uses, "a", { ...use, lastUsed: at(1) });
  expect([...uses.issued.values()]).toEqual([{ ...use, count: 2, lastUsed: at(2) }]);
  expect(uses.robots.get("r")).toEqual(at(2));
});

it("stays bounded while nothing can be written, and counts what is too much together", () => {
  const uses = createUses();
  const note = (robotId: string, name: string) => {
    const access = [{ type: "repository", name, actions: ["pull"] }];
    noteIssued(uses, `repository:${name}:pull`, { robotId, service: "s", access, count: 1, lastUsed: at(0) });
  };
  for (let name = 0; name < 15_000; name += 1) note("inventor", `acme/${name}`);
  expect(uses.issued.size).toBe(10_001);
  expect([...uses.issued.values()].at(-1)).toMatchObject({
    count: 5_000,
    access: [{ type: "repository", name: otherRepositories, actions: ["pull"] }],
  });
  for (let robot = 0; robot < 15_000; robot += 1) note(`robot-${robot}`, "acme/app");
  expect(uses.issued.size).toBe(20_000);
});
