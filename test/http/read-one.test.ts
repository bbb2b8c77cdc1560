import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { makePrincipal, type TestPrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** Clients that keep what they made in a state of their own read each thing by its own path. */

let berth: TestBerth;
let reader: TestPrincipal;
let stranger: TestPrincipal;
const members = "/organization/acme/members";
const unknown = "00000000-0000-4000-8000-000000000000";

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci");
  await berth.createRobot("beta+ci");
  await berth.api("PUT", `${members}/acme+ci`, { role: "member" });
  reader = await makePrincipal(berth, "reads", { roles: { acme: "reader" } });
  stranger = await makePrincipal(berth, "stranger");
});

afterAll(() => berth.remove());

describe("one member", () => {
  it.each([
    ["reads", { name: "reads", kind: "service", is_robot: false, role: "reader" }],
    ["acme+ci", { name: "acme+ci", kind: "robot", is_robot: true, role: "member" }],
    ["acme%2Bci", { name: "acme+ci", kind: "robot", is_robot: true, role: "member" }],
    ["acme%20ci", { name: "acme+ci", kind: "robot", is_robot: true, role: "member" }],
  ])("is shown as the list shows it: %s", async (name, shown) => {
    const { status, body } = await reader.api("GET", `${members}/${name}`);
    expect(status).toBe(200);
    expect(body).toEqual(shown);
    expect((await reader.api("GET", members)).body.members).toContainEqual(shown);
  });

  it("has the entity tag that it is changed by", async () => {
    const path = `${members}/tagged`;
    await makePrincipal(berth, "tagged", { roles: { acme: "reader" } });
    const read = await berth.api("GET", path);
    const changed = await berth.api("PUT", path, { role: "member" });
    expect(read.headers.get("etag")).toMatch(/^"[\w-]+"$/);
    expect(changed.headers.get("etag")).not.toBe(read.headers.get("etag"));
    expect((await berth.api("GET", path)).headers.get("etag")).toBe(changed.headers.get("etag"));
  });

  it("is nobody without a role, whether there is one of that name or not", async () => {
    await berth.api("PUT", "/organization/acme/robots/plain", {});
    for (const name of ["stranger", "nobody", "acme+plain", "acme+none", "beta+ci", "+", "%20", "A b"]) {
      const detail = expectProblem(await reader.api("GET", `${members}/${name}`), 404, "not_found");
      expect(detail).toBe(`There is no role of ${decodeURIComponent(name)} in the organization acme.`);
    }
  });

  it("is nobody once the role was taken away, or the robot is gone", async () => {
    await berth.createRobot("acme+brief");
    for (const end of [`${members}/acme+brief`, "/organization/acme/robots/brief"]) {
      await berth.api("PUT", `${members}/acme+brief`, { role: "reader" });
      expect((await berth.api("GET", `${members}/acme+brief`)).status).toBe(200);
      await berth.api("DELETE", end);
      expectProblem(await berth.api("GET", `${members}/acme+brief`), 404, "not_found");
    }
  });

  it("is not shown to who has no role there", async () => {
    const told = expectProblem(await stranger.api("GET", `${members}/reads`), 404, "not_found");
    expect(told).toBe("There is no organization acme.");
  });
});

describe("one API token", () => {
  const path = "/principals/keeper/tokens";

  it("is shown as the list shows it, without its secret", async () => {
    const keeper = await makePrincipal(berth, "keeper", { roles: { acme: "reader" } });
    const { body: made } = await berth.api("POST", path, { name: "one", organizations: ["acme"], read_only: true });
    const { status, body } = await keeper.api("GET", `${path}/${made.id}`);
    expect(status).toBe(200);
    expect(body).toEqual({ ...made, token: null });
    expect((await keeper.api("GET", path)).body.tokens).toContainEqual(body);
  });

  it("is there for its principal and who may see all, and for no token that is narrower", async () => {
    const auditor = await makePrincipal(berth, "auditor", { super_user: "read_only" });
    const [wide, narrow] = await Promise.all(
      [{ name: "wide" }, { name: "narrow", organizations: ["acme"] }].map(
        async (given) => (await berth.api("POST", path, given)).body,
      ),
    );
    expect((await auditor.api("GET", `${path}/${wide.id}`)).status).toBe(200);
    expectProblem(await stranger.api("GET", `${path}/${wide.id}`), 404, "not_found");
    const read = (id: string) =>
      fetch(`${berth.url}/api/v1${path}/${id}`, { headers: { authorization: `Bearer ${narrow.token}` } });
    expect((await read(narrow.id)).status).toBe(200);
    expect((await read(wide.id)).status).toBe(404);
  });

  it("is not there once it was ended, nor under another principal's name", async () => {
    const { body: made } = await berth.api("POST", path, { name: "brief" });
    expectProblem(await berth.api("GET", `/principals/reads/tokens/${made.id}`), 404, "not_found");
    await berth.api("DELETE", `${path}/${made.id}`);
    const detail = expectProblem(await berth.api("GET", `${path}/${made.id}`), 404, "not_found");
    expect(detail).toBe(`There is no API token ${made.id} of keeper.`);
    expectProblem(await berth.api("GET", `${path}/${unknown}`), 404, "not_found");
    expectProblem(await berth.api("GET", `${path}/x`), 400, "invalid");
  });
});
