import { expect, it } from "vitest";
import { roleActions, roleOf, roles } from "../../src/domain/role.ts";

it.each([
  [["pull"], "read"],
  [["pull", "push"], "write"],
  [["push", "pull"], "write"],
  [["pull", "push", "delete"], "admin"],
  [["pull", "delete"], "read"],
  [["push"], undefined],
  [["delete"], undefined],
  [["push", "delete"], undefined],
  [[], undefined],
])("the greatest role in %j is %s", (actions, role) => {
  expect(roleOf(actions)).toBe(role);
});

it("a role is what its own actions contain", () => {
  expect(roles.map((role) => roleOf(roleActions[role]))).toEqual([...roles]);
});
