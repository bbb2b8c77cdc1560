import { describe, expect, it } from "vitest";
import { expectProblem } from "../../support/problems.ts";
import type { Reach } from "../suite.ts";
import { good, makeRobot, manage } from "../target.ts";

interface Change {
  readonly action: string;
  readonly kind: string;
  readonly name: string;
}

const told = ({ changes }: { changes: Change[] }) =>
  changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`);

export function stateClauses(reach: Reach): void {
  describe("the desired state", () => {
    it("of an organization is tried dry, applied whole, and then changes nothing", async () => {
      const target = reach();
      const { organization } = await makeRobot(target);
      const path = `/organization/${organization}/state`;
      const before = await good(manage(target, "GET", path));
      const wanted = {
        ...before,
        robots: { ...before.robots, deploy: { grants: [{ repository: `${organization}/app`, actions: ["pull"] }] } },
      };
      const dry = await good(manage(target, "PUT", `${path}?dry_run=true`, wanted));
      expect(told(dry)).toEqual([`create robot ${organization}+deploy`]);
      expect(await good(manage(target, "GET", path))).toEqual(before);
      expect(told(await good(manage(target, "PUT", path, wanted)))).toEqual(told(dry));
      expect(told(await good(manage(target, "PUT", path, await good(manage(target, "GET", path)))))).toEqual([]);
      expect(told(await good(manage(target, "PUT", path, { robots: {}, unlisted: "keep" })))).toEqual([]);
      expect(told(await good(manage(target, "PUT", path, before)))).toEqual([`delete robot ${organization}+deploy`]);
    });

    it("with anything wrong in it is refused with every problem in its place, and changes nothing", async () => {
      const target = reach();
      const { organization } = await makeRobot(target);
      const path = `/organization/${organization}/state`;
      const before = await good(manage(target, "GET", path));
      const robots = { new: {}, ci: { federation: [{ issuer: 1 }], typo: 1 }, other: { description: 1 } };
      const answer = await manage(target, "PUT", path, { robots });
      expectProblem(answer, 400, "invalid");
      expect(answer.body.errors.length).toBeGreaterThan(1);
      expect(await good(manage(target, "GET", path))).toEqual(before);
    });

    it("of the service may be put as it was read, and changes nothing", async () => {
      const target = reach();
      await makeRobot(target);
      const state = await good(manage(target, "GET", "/state"));
      expect(Object.keys(state)).toEqual(
        expect.arrayContaining(["issuers", "registries", "principals", "organizations"]),
      );
      expect(told(await good(manage(target, "PUT", "/state", state)))).toEqual([]);
    });
  });
}
