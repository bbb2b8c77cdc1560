import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { makePrincipal, type TestPrincipal } from "../support/principals.ts";

let berth: TestBerth;
let reader: TestPrincipal;

beforeAll(async () => {
  berth = await startBerth({ environment: { BERTH_AUDIT_REFUSALS_PER_MINUTE: "8" } });
  await berth.createRobot("acme+ci");
  reader = await makePrincipal(berth, "reader", { roles: { acme: "reader" } });
});

afterAll(() => berth.remove());

const refused = async () => (await berth.api("GET", "/logs?outcome=refused")).body.logs;

describe("trying what one may not do", () => {
  it("leaves a record of who tried what, where and from where; asking does not", async () => {
    expect((await reader.api("PUT", "/organization/acme/members/reader", { role: "admin" })).status).toBe(403);
    expect((await reader.api("GET", "/logs")).status).toBe(403);
    expect(await refused()).toMatchObject([
      {
        kind: "management",
        organization: "acme",
        performer: { name: "reader" },
        code: "forbidden",
        ip: "127.0.0.1",
        metadata: { route: "PUT /api/v1/organization/:org/members/:member" },
      },
    ]);
    expect((await berth.api("GET", "/organization/acme/logs?outcome=refused")).body.logs).toHaveLength(1);
  });

  it("is counted where one address tries all the time, which the next minute tells", async () => {
    for (let tries = 0; tries < 10; tries += 1) await reader.api("POST", "/keys/rotate", {});
    expect(await refused()).toHaveLength(2);
    berth.clock.advance(61);
    await reader.api("POST", "/keys/rotate", {});
    const [, summary] = await refused();
    expect(summary).toMatchObject({ kind: "management_refusals", metadata: { count: 9, codes: { forbidden: 9 } } });
  });
});
