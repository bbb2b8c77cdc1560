import { describe, expect, it } from "vitest";
import { subject } from "../../support/issuer.ts";
import { expectProblem } from "../../support/problems.ts";
import type { Reach } from "../suite.ts";
import { good, makeRobot, manage } from "../target.ts";

export function federationClauses(reach: Reach): void {
  describe("a robot's federation", () => {
    const pairs = (...subjects: string[]) => subjects.map((one) => ({ issuer: reach().issuer.url, subject: one }));

    it("is a bare array in its own order, replaced whole and answered as it is stored", async () => {
      const target = reach();
      const path = `${(await makeRobot(target)).path}/federation`;
      const put = async (entries: object[]) => good(manage(target, "POST", path, entries));
      const stored = await put(pairs("b", "a"));
      expect(stored).toMatchObject(pairs("b", "a"));
      expect(await good(manage(target, "GET", path))).toEqual(stored);
      expect(await put(pairs("a", "b"))).toEqual(stored.toReversed());
      expect(await put(pairs("a"))).toEqual([stored[1]]);
      expect(await put([])).toEqual([]);
    });

    it("keeps a binding's conditions where Quay's clients send its pair again, and takes nothing else for it", async () => {
      const target = reach();
      const path = `${(await makeRobot(target)).path}/federation`;
      const [pair] = pairs(subject);
      const stored = await good(manage(target, "POST", path, [{ ...pair, claims: { ref: { equals: "main" } } }]));
      const again = [{ ...pair, isExpanded: true }];
      expect(await good(manage(target, "POST", path, again))).toEqual(stored);
      const [other] = await good(manage(target, "POST", path, [{ ...pair, token_ttl: 300 }]));
      expect(other).toMatchObject({ id: stored[0].id, claims: null, token_ttl: 300 });
      expect(other.version).toBeGreaterThan(stored[0].version);
    });

    it("is refused with an unknown key, an exact repeat, or a subject that is none, and then stays as it was", async () => {
      const target = reach();
      const path = `${(await makeRobot(target)).path}/federation`;
      const stored = await good(manage(target, "GET", path));
      const [pair] = pairs("a");
      for (const entries of [
        [{ ...pair, audience: "x" }],
        [pair, pair],
        [{ ...pair, subject: "" }],
        [{ ...pair, subject: "*" }],
        {},
      ]) {
        expectProblem(await manage(target, "POST", path, entries), 400, "invalid");
      }
      expect(await good(manage(target, "GET", path))).toEqual(stored);
    });

    it("is cleared by DELETE, also when it is empty", async () => {
      const target = reach();
      const path = `${(await makeRobot(target)).path}/federation`;
      for (let times = 0; times < 2; times += 1) {
        const { status, body } = await manage(target, "DELETE", path);
        expect([status, body]).toEqual([204, ""]);
      }
      expect(await good(manage(target, "GET", path))).toEqual([]);
    });

    it("has bindings one at a time, each with a version that moves with what decides", async () => {
      const target = reach();
      const path = `${(await makeRobot(target)).path}/federation/bindings`;
      const [terms] = pairs("repo:acme/one");
      const made = await manage(target, "POST", path, terms);
      expect([made.status, made.body.version]).toEqual([201, 1]);
      const one = `${path}/${made.body.id}`;
      expect(await good(manage(target, "GET", one))).toEqual(made.body);
      expect((await good(manage(target, "PATCH", one, { description: "one" }))).version).toBe(1);
      expect((await good(manage(target, "PATCH", one, { token_ttl: 300 }))).version).toBe(2);
      expect((await manage(target, "DELETE", one)).status).toBe(204);
      expectProblem(await manage(target, "GET", one), 404, "not_found");
    });
  });
}
