import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { makePrincipal } from "../support/principals.ts";

let berth: TestBerth;
const state = "/organization/acme/state";
const { apiBodyBytes, apiBodyValues } = limits.http;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci");
});

afterAll(() => berth.remove());

function put(body: string, token = berth.adminToken, path = state) {
  return call(`${berth.url}/api/v1${path}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body,
  });
}

const record = (section: string, count: number, value: string) =>
  `{"${section}":{${Array.from({ length: count }, (_, index) => `"r${index}":${value}`).join(",")}}}`;

describe("a body with as much in it as one may have", () => {
  it.each([
    ["robots", "1"],
    ["members", "1"],
    ["members", '"reader"'],
    ["prototypes", '"read"'],
    ["prototypes", "{}"],
  ])("is refused with some of its problems: %s of %s", async (section, value) => {
    const { status, body } = await put(record(section, apiBodyValues - 1, value));
    expect(status).toBe(400);
    expect(body.errors).toHaveLength(limits.problems);
  });

  it("is refused before its parts are looked at where it has more", async () => {
    const { status, body } = await put(record("robots", apiBodyValues, "1"));
    expect(status).toBe(400);
    expect(body).toMatchObject({ detail: expect.stringContaining("send it in parts"), errors: [] });
  });
});

describe("a document of a state", () => {
  const long = (bytes: number) => `{"$schema":"${"a".repeat(bytes - 14)}"}`;

  it("may be large, from whoever might have it applied", async () => {
    const boss = await makePrincipal(berth, "boss", { roles: { acme: "admin" } });
    expect((await put(long(limits.state.bodyBytes))).status).toBe(200);
    expect((await put(long(limits.state.bodyBytes), boss.token)).status).toBe(200);
    expect((await put(long(limits.state.bodyBytes + 1))).status).toBe(413);
    expect((await put(`{"$schema":"${'\\"'.repeat(1_000_000)}"}`)).status).toBe(200);
  });

  it("is no larger than other bodies from anybody else", async () => {
    const member = await makePrincipal(berth, "member", { roles: { acme: "member" } });
    const reads = await makePrincipal(berth, "reads", { super_user: true }, { read_only: true });
    for (const { token } of [member, reads]) {
      expect((await put(long(apiBodyBytes + 1), token)).status).toBe(413);
      expect((await put(long(apiBodyBytes), token)).status).toBe(403);
    }
  });

  it("is no larger at another path", async () => {
    expect((await put(long(apiBodyBytes + 1), berth.adminToken, "/organization/acme")).status).toBe(413);
  });
});
