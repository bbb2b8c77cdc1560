import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { makePrincipal, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;
let admin: ReturnType<typeof managementBy>;

beforeAll(async () => {
  berth = await startBerth();
  admin = managementBy(berth, berth.adminToken);
  for (const name of ["acme", "beta"]) await admin("POST", "/organization/", { name });
});

afterAll(() => berth.remove());

const members = "/organization/acme/members";
const list = async (path = members) => (await admin("GET", path)).body.members;
const put = (member: string, role: unknown, headers = {}) => admin("PUT", `${members}/${member}`, { role }, headers);
const remove = (member: string, headers = {}) => admin("DELETE", `${members}/${member}`, undefined, headers);

async function principal(name: string): Promise<string> {
  expect((await admin("POST", "/principals", { name })).status).toBe(201);
  return name;
}

async function robot(name: string, organization = "acme"): Promise<string> {
  expect((await admin("PUT", `/organization/${organization}/robots/${name}`, {})).status).toBe(201);
  return `${organization}+${name}`;
}

/** The newest record about the organization. */
const lastRecord = async () => (await admin("GET", "/organization/acme/logs?limit=1")).body.logs[0];

describe("the role of a principal", () => {
  it("is given, changed and taken away, with what was before on the record", async () => {
    await principal("anna");
    const path = `${members}/anna`;
    for (const [role, before] of [
      ["reader", null],
      ["admin", { role: "reader" }],
      ["member", { role: "admin" }],
    ] as const) {
      const answer = await put("anna", role);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({ name: "anna", kind: "service", is_robot: false, role });
      expect(await list()).toContainEqual(answer.body);
      expect((await admin("GET", "/principals/anna")).body.roles).toEqual({ acme: role });
      expect(await lastRecord()).toMatchObject({
        kind: "put_member",
        performer: { name: "admin" },
        metadata: { member: "anna" },
        before,
        after: { role },
      });
    }
    expect((await admin("DELETE", path)).status).toBe(204);
    expect(await lastRecord()).toMatchObject({ kind: "delete_member", before: { role: "member" }, after: null });
    expect((await admin("GET", "/principals/anna")).body.roles).toEqual({});
    expectProblem(await admin("DELETE", path), 404, "not_found");
  });

  it("is one of three, and nothing stands beside it", async () => {
    await principal("three");
    for (const body of [
      {},
      { role: null },
      { role: "owner" },
      { role: ["admin"] },
      { role: "reader", name: "x" },
      [],
    ]) {
      expectProblem(await admin("PUT", `${members}/three`, body), 400, "invalid");
    }
    expect((await list()).map(({ name }: { name: string }) => name)).not.toContain("three");
  });

  it("is nobody's who is not there", async () => {
    for (const member of ["nobody", "%20", "a".repeat(300), "acme%2Bnobody", "acme%2B", "+", "Acme+CI"]) {
      expectProblem(await put(member, "reader"), 404, "not_found");
      expectProblem(await remove(member), 404, "not_found");
    }
    for (const method of ["PUT", "DELETE"]) {
      const body = method === "PUT" ? { role: "reader" } : undefined;
      expectProblem(await admin(method, "/organization/nothing/members/admin", body), 404, "not_found");
    }
    expectProblem(await admin("GET", "/organization/nothing/members"), 404, "not_found");
  });

  it("may be the giver's own, who is then told what it has left", async () => {
    const boss = await makePrincipal(berth, "boss", { roles: { acme: "admin" } });
    expect((await boss.api("PUT", `${members}/boss`, { role: "reader" })).status).toBe(200);
    expectProblem(await boss.api("PUT", `${members}/boss`, { role: "admin" }), 403, "forbidden");
    expectProblem(await boss.api("DELETE", `${members}/boss`), 403, "forbidden");
  });

  it("is given in one organization, by an admin of that alone", async () => {
    await principal("guest");
    const boss = await makePrincipal(berth, "acmes-boss", { roles: { acme: "admin", beta: "member" } });
    expect((await boss.api("PUT", `${members}/guest`, { role: "admin" })).status).toBe(200);
    expectProblem(await boss.api("PUT", "/organization/beta/members/guest", { role: "reader" }), 403, "forbidden");
    expect((await admin("GET", "/principals/guest")).body.roles).toEqual({ acme: "admin" });
  });
});

describe("the role of a robot", () => {
  it("is given by its full name, however the plus is written, and shown with the robot's log", async () => {
    const name = await robot("ci");
    for (const spelled of [name, "acme%2Bci", "acme%20ci"]) {
      const answer = await put(spelled, "member");
      expect(answer.status, JSON.stringify(answer.body)).toBe(200);
      expect(answer.body).toEqual({ name, kind: "robot", is_robot: true, role: "member" });
    }
    expect(await lastRecord()).toMatchObject({ kind: "put_member", metadata: { member: name } });
    const { logs } = (await admin("GET", `/organization/acme/logs?robot=${encodeURIComponent(name)}&limit=1`)).body;
    expect(logs[0]).toMatchObject({ kind: "put_member", after: {} });
    expect((await remove(name)).status).toBe(204);
    expect(await list()).not.toContainEqual(expect.objectContaining({ name }));
    expectProblem(await remove(name), 404, "not_found");
  });

  it("is given in its own organization alone", async () => {
    const foreign = await robot("ci", "beta");
    const detail = expectProblem(await put(foreign, "reader"), 404, "not_found");
    expect(detail).toContain("only its own hold a role");
    expect(detail.replace(foreign, "beta+none")).toBe(
      expectProblem(await put("beta+none", "reader"), 404, "not_found"),
    );
    expect(await list("/organization/beta/members")).not.toContainEqual(expect.objectContaining({ name: foreign }));
  });

  it("goes with it, and does not come back with its name", async () => {
    const name = await robot("brief");
    await put(name, "admin");
    await admin("DELETE", "/organization/acme/robots/brief");
    expect(await list()).not.toContainEqual(expect.objectContaining({ name }));
    await robot("brief");
    expect(await list()).not.toContainEqual(expect.objectContaining({ name }));
    expectProblem(await remove(name), 404, "not_found");
  });

  it("does not come by its own description", async () => {
    await admin("PUT", "/organization/acme/robots/sly", { role: "admin", unstructured_metadata: { role: "admin" } });
    await admin("PATCH", "/organization/acme/robots/sly", { role: "admin", disabled: false });
    expect(await list()).not.toContainEqual(expect.objectContaining({ name: "acme+sly" }));
  });
});

describe("the list of members", () => {
  it("comes in one order over both kinds, whatever the size of the pages", async () => {
    await admin("POST", "/organization/", { name: "paged" });
    const path = "/organization/paged/members";
    const names = ["pa", "paged", "paged.x", "pagee", "a0", "zz", "page"];
    for (const [index, name] of names.entries()) {
      await principal(name);
      expect((await admin("PUT", `${path}/${name}`, { role: ["reader", "admin"][index % 2] })).status).toBe(200);
    }
    for (const name of ["aa", "z9", "m.m", "m-m", "m_m", "constructor"]) {
      await admin("PUT", `${path}/${await robot(name, "paged")}`, { role: "member" });
    }
    await robot("without-a-role", "paged");
    const all = await list(path);
    const seen = all.map(({ name }: { name: string }) => name);
    expect(seen).toHaveLength(names.length + 6);
    expect(seen).toEqual([...new Set(seen)]);
    for (const limit of [1, 2, 3, 5, 12, 13, 500]) {
      const paged: unknown[] = [];
      let query: string | undefined = `?limit=${limit}`;
      while (query !== undefined) {
        const { body }: ApiAnswer = await admin("GET", path + query);
        expect(body.members.length).toBeLessThanOrEqual(limit);
        paged.push(...body.members);
        query = body.next_page && `?limit=${limit}&next_page=${body.next_page}`;
      }
      expect(paged, `by ${limit}`).toEqual(all);
    }
    expectProblem(await admin("GET", `${path}?next_page=made-up!`), 400, "invalid");
  });

  it("is empty once the organization was deleted, and stays so for the next of its name", async () => {
    await admin("POST", "/organization/", { name: "gone" });
    const path = "/organization/gone/members";
    await principal("goner");
    await admin("PUT", `${path}/goner`, { role: "admin" });
    await admin("PUT", `${path}/${await robot("ci", "gone")}`, { role: "admin" });
    await admin("DELETE", "/organization/gone");
    expectProblem(await admin("GET", path), 404, "not_found");
    expectProblem(await admin("PUT", `${path}/goner`, { role: "admin" }), 404, "not_found");
    await admin("DELETE", "/deleted-organizations/gone");
    await admin("POST", "/organization/", { name: "gone" });
    expect(await list(path)).toEqual([]);
  });
});

describe("If-Match on a member", () => {
  it("changes the role that was seen, and no other", async () => {
    for (const member of [await principal("tagged"), await robot("tagged")]) {
      expectProblem(await put(member, "reader", { "if-match": "*" }), 412, "precondition_failed");
      const etag = (await put(member, "reader")).headers.get("etag") ?? "";
      expect(etag).toMatch(/^"[\w-]+"$/);
      const changed = await put(member, "admin", { "if-match": etag });
      expect(changed.status).toBe(200);
      expect(changed.headers.get("etag")).not.toBe(etag);
      expectProblem(await put(member, "member", { "if-match": etag }), 412, "precondition_failed");
      expectProblem(await remove(member, { "if-match": etag }), 412, "precondition_failed");
      expect(await list()).toContainEqual(expect.objectContaining({ name: member, role: "admin" }));
      expect((await remove(member, { "if-match": changed.headers.get("etag") ?? "" })).status).toBe(204);
      expectProblem(await remove(member, { "if-match": "*" }), 412, "precondition_failed");
    }
  });
});
