import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken, expectRefusal } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  await berth.createRobot("acme+ci", {
    federation: [{ issuer: issuer.url, subject }],
    grants: [{ repository: "acme/*", actions: ["pull"] }],
  });
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

const mint = async (): Promise<string> => (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
const login = (token: string) => askRegistryToken(berth, "", ["acme+ci", token]);
const revoke = (form: Record<string, string> | [string, string][]): Promise<ApiAnswer> =>
  call(`${berth.url}/oauth2/revoke`, { method: "POST", body: new URLSearchParams(form) });
const records = async () => (await berth.api("GET", "/organization/acme/logs?kind=revoke_robot_token")).body.logs;

describe("a robot token that its holder revokes", () => {
  it("ends at once, and no other does", async () => {
    const [token, other] = [await mint(), await mint()];
    const answer = await revoke({ token, token_type_hint: "access_token" });
    expect([answer.status, answer.body]).toEqual([200, ""]);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect((await login(token)).status).toBe(401);
    expect((await login(other)).status).toBe(200);
  });

  it("may be revoked again, and leaves one record without the token", async () => {
    const before = (await records()).length;
    const token = await mint();
    for (let times = 0; times < 3; times += 1) expect((await revoke({ token })).status).toBe(200);
    const all = await records();
    expect(all).toHaveLength(before + 1);
    expect(all[0]).toMatchObject({ robot: "acme+ci", outcome: "success", performer: null });
    expect(JSON.stringify(all)).not.toContain(token);
  });
});

describe("a revocation", () => {
  it("of what is no robot token changes nothing, and says nothing", async () => {
    const token = await mint();
    const registryToken = (await askRegistryToken(berth, "scope=repository:acme/app:pull", ["acme+ci", token])).body
      .token;
    const before = (await records()).length;
    for (const other of ["x", "a.b.c", `${token.slice(0, -4)}AAAA`, registryToken, await issuer.sign(berth.url)]) {
      const { status, body } = await revoke({ token: other });
      expect([status, body]).toEqual([200, ""]);
    }
    expect(await records()).toHaveLength(before);
    expect((await login(token)).status).toBe(200);
  });

  it.each<[string, [string, string][]]>([
    ["without a token", []],
    ["with an empty one", [["token", ""]]],
    [
      "with two",
      [
        ["token", "a"],
        ["token", "b"],
      ],
    ],
  ])("%s is refused", async (_, form) => {
    expectRefusal(await revoke(form), 400, "request_invalid");
  });

  it("takes a form by POST alone, of a bounded size", async () => {
    const json = { method: "POST", headers: { "content-type": "application/json" }, body: '{"token":"x"}' };
    expectRefusal(await call(`${berth.url}/oauth2/revoke`, json), 400, "request_invalid");
    expect((await call(`${berth.url}/oauth2/revoke`)).status).toBe(405);
    expect((await revoke({ token: "x".repeat(70_000) })).status).toBe(413);
  });
});
