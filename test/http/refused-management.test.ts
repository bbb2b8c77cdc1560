import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject } from "../support/issuer.ts";
import { makePrincipal, managementBy } from "../support/principals.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci");
});

afterAll(() => berth.remove());

const refused = async () => (await berth.api("GET", "/logs?outcome=refused")).body.logs;

describe("the record of what somebody may not do", () => {
  it("is an organization's to know where the route is about that, and a superuser's alone where it is not", async () => {
    const { api } = await makePrincipal(berth, "member", { roles: { acme: "member" } });
    const before = (await refused()).length;
    expect((await api("DELETE", "/organization/acme")).status).toBe(403);
    expect((await api("POST", "/principals", { name: "evil", super_user: true })).status).toBe(403);
    const [second, first] = (await refused()).slice(0, 2);
    expect(first).toMatchObject({ organization: "acme", metadata: { route: "DELETE /api/v1/organization/:org" } });
    expect(second).toMatchObject({ organization: null, metadata: { route: "POST /api/v1/principals" } });
    expect(JSON.stringify(second)).not.toContain("evil");
    const { logs } = (await api("GET", "/organization/acme/logs?outcome=refused")).body;
    expect(logs.map(({ id }: { id: string }) => id)).toEqual([first.id]);
    expect(await refused()).toHaveLength(before + 2);
  });

  it("is nothing where nobody is known, or nothing is there to be known of", async () => {
    const before = await refused();
    const stranger = await makePrincipal(berth, "stranger");
    expect((await stranger.api("DELETE", "/organization/acme")).status).toBe(404);
    expect((await managementBy(berth, "berth_api_unknown")("DELETE", "/organization/acme")).status).toBe(401);
    expect(await refused()).toEqual(before);
  });

  it("is a robot's where it came by a robot token, and a narrowed token's like any other", async () => {
    const issuer = await startIssuer();
    await berth.createRobot("acme+job", { federation: [{ issuer: issuer.url, subject, api: true }] });
    await berth.api("PUT", "/organization/acme/members/acme+job", { role: "reader" });
    const { token } = (await berth.exchange("acme+job", await issuer.sign(berth.url))).body;
    await issuer.close();
    const boss = await makePrincipal(berth, "boss", { roles: { acme: "admin" } }, { read_only: true });
    const before = (await refused()).length;
    expect((await managementBy(berth, token)("PUT", "/organization/acme/robots/more", {})).status).toBe(403);
    expect((await boss.api("PUT", "/organization/acme/robots/more", {})).status).toBe(403);
    const records = await refused();
    expect(records).toHaveLength(before + 2);
    expect(records.slice(0, 2)).toMatchObject([
      { performer: { name: "boss" }, organization: "acme" },
      { performer: { name: "acme+job" }, organization: "acme" },
    ]);
    expect(JSON.stringify(records)).not.toContain(token);
  });
});
