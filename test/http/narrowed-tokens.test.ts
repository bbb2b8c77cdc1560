import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type ManagementCall, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** A token for one organization, as a CI job may leak it, tells nothing of the others, not even that they are there. */

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  for (const name of ["acme", "beta", "gamma"]) await berth.createRobot(`${name}+ci`);
});

afterAll(() => berth.remove());

interface Narrowed {
  readonly ask: ManagementCall;
  /** Of its principal's tokens, by their names. */
  readonly ids: Readonly<Record<string, string>>;
}

/** The token for acme of a principal that has others. */
async function narrowed(name: string, given: object): Promise<Narrowed> {
  if (name !== "admin") expect((await berth.api("POST", "/principals", { name, ...given })).status).toBe(201);
  const ids: Record<string, string> = {};
  let token = "";
  for (const terms of [
    { name: "all" },
    { name: "of beta", organizations: ["beta"] },
    { name: "of both", organizations: ["acme", "beta"] },
    { name: "reads", organizations: ["acme"], read_only: true },
    { name: "of acme", organizations: ["acme"] },
  ]) {
    const { body } = await berth.api("POST", `/principals/${name}/tokens`, terms);
    ids[terms.name] = body.id;
    if (terms.name === "of acme") token = body.token;
  }
  return { ask: managementBy(berth, token), ids };
}

const owners: [name: string, given: object, role: string | undefined][] = [
  ["anna", { roles: { acme: "reader", beta: "admin" } }, "reader"],
  ["auditor", { super_user: "read_only", roles: { beta: "member" } }, undefined],
  ["admin", {}, undefined],
];

describe.each(owners)("a token for acme of %s", (name, given, role) => {
  let ask: ManagementCall;
  let ids: Narrowed["ids"];
  const tokens = `/principals/${name}/tokens`;

  beforeAll(async () => {
    ({ ask, ids } = await narrowed(name, given));
  });

  it("shows the roles of its principal that it opens, and no others", async () => {
    const { status, body } = await ask("GET", `/principals/${name}`);
    expect(status).toBe(200);
    expect(body.roles).toEqual(role ? { acme: role } : {});
    expect((await ask("GET", "/user")).body.organizations).toHaveLength(1);
  });

  it("shows those of its principal's tokens that can do no more, and no others", async () => {
    const { body } = await ask("GET", tokens);
    expect(body.tokens.map((one: { name: string }) => one.name)).toEqual(["of acme", "reads"]);
    for (const hidden of ["all", "of beta", "of both"]) {
      expectProblem(await ask("GET", `${tokens}/${ids[hidden]}`), 404, "not_found");
    }
  });

  it("ends none of the others, and makes none that can do more", async () => {
    for (const hidden of ["all", "of beta", "of both"]) {
      const { status } = await ask("DELETE", `${tokens}/${ids[hidden]}`);
      expect([403, 404]).toContain(status);
      expect((await berth.api("GET", `${tokens}/${ids[hidden]}`)).status).toBe(200);
    }
    const told = expectProblem(await ask("POST", tokens, { name: "more", organizations: ["beta"] }), 400, "invalid");
    expect(told.replace("beta", "none")).toBe(
      expectProblem(await ask("POST", tokens, { name: "more", organizations: ["none"] }), 400, "invalid"),
    );
    expectProblem(await ask("POST", tokens, { name: "more" }), 403, "forbidden");
  });

  it("names no other organization in what it shows", async () => {
    for (const path of [
      "/user",
      "/organization/",
      "/organization/acme",
      "/organization/acme/members",
      "/organization/acme/robots?permissions=true",
      "/organization/acme/logs",
      "/organization/acme/state",
      `/principals/${name}`,
      tokens,
    ]) {
      const { status, body } = await ask("GET", path);
      expect(status, path).toBe(200);
      expect(JSON.stringify(body), path).not.toMatch(/beta|gamma/);
    }
  });

  it.each([
    "/organization/beta",
    "/organization/beta/robots/ci",
    "/organization/beta/members/anna",
    "/organization/beta/state",
    "/repository/beta/app/permissions/user/",
    "/repository/beta/app/permissions/user/beta+ci",
    "/grants?repository=beta/app",
    "/logs?organization=beta",
  ])("tells of %s what it tells where nothing is", async (path) => {
    const [there, absent] = [await ask("GET", path), await ask("GET", path.replaceAll("beta", "none"))];
    expect([403, 404]).toContain(there.status);
    expect([there.status, there.body.detail.replaceAll("beta", "none")]).toEqual([absent.status, absent.body.detail]);
  });
});
