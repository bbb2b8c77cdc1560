import { describe, expect, it } from "vitest";
import type { Reach } from "../suite.ts";
import { ask, good, makeRobot, manage } from "../target.ts";

export function auditClauses(reach: Reach): void {
  describe("the audit log", () => {
    it("tells every change with what it made different, newest first, page by page", async () => {
      const target = reach();
      const { organization, path, name } = await makeRobot(target);
      const changed = await manage(target, "PATCH", path, { disabled: true });
      const logs = `/organization/${organization}/logs`;
      const first = await good(manage(target, "GET", `${logs}?limit=1`));
      expect(first.logs).toMatchObject([
        {
          kind: "change_robot",
          robot: name,
          performer: { name: "admin" },
          outcome: "success",
          request_id: changed.headers.get("x-request-id"),
          before: { disabled: false },
          after: { disabled: true },
        },
      ]);
      const rest = await good(manage(target, "GET", `${logs}?next_page=${first.next_page}`));
      const times = [...first.logs, ...rest.logs].map(({ datetime }: { datetime: string }) => datetime);
      expect(times.length).toBeGreaterThan(3);
      expect(times).toEqual(times.toSorted().toReversed());
    });

    it("is searched by what its records say", async () => {
      const target = reach();
      const { organization, name } = await makeRobot(target);
      const logs = `/organization/${organization}/logs`;
      const find = async (query: string) =>
        (await good(manage(target, "GET", `${logs}?${query}`))).logs.map(({ kind }: { kind: string }) => kind);
      expect(await find("kind=create_robot")).toEqual(["create_robot"]);
      expect(await find(`kind=create_robot&robot=${encodeURIComponent(name)}`)).toEqual(["create_robot"]);
      expect(await find("outcome=refused")).toEqual([]);
      expect(await find("endtime=2020-01-01T00:00:00Z")).toEqual([]);
    });

    it("streams all that it finds, a line each", async () => {
      const target = reach();
      const { organization } = await makeRobot(target);
      const path = `/api/v1/organization/${organization}/logs`;
      const headers = { authorization: `Bearer ${target.adminToken}` };
      const { logs } = await good(ask(target, "GET", path, { headers }));
      const streamed = await fetch(target.url + path, { headers: { ...headers, accept: "application/x-ndjson" } });
      expect(streamed.headers.get("content-type")).toBe("application/x-ndjson");
      const lines = (await streamed.text()).split("\n");
      expect(lines.pop()).toBe("");
      expect(lines.map((line) => JSON.parse(line))).toEqual(logs);
    });
  });
}
