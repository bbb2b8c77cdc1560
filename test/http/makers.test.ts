import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { type ManagementCall, makePrincipal, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** Members change the robots that they made, and by none of them get more than they have. */

let berth: TestBerth;
let issuer: TestIssuer;
let admin: ManagementCall;
let members: Readonly<Record<string, ManagementCall>>;
let boss: ManagementCall;
let reader: ManagementCall;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  admin = managementBy(berth, berth.adminToken);
  await admin("POST", "/organization/", { name: "acme" });
  const person = async (name: string, role: "admin" | "member" | "reader") =>
    (await makePrincipal(berth, name, { roles: { acme: role } })).api;
  boss = await person("boss", "admin");
  reader = await person("rhea", "reader");
  members = {
    "a principal": await person("mia", "member"),
    "a robot": await asRobot("gitops", "member"),
  };
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

const prototypes = "/organization/acme/prototypes";
const rolePath = (robot: string) => `/organization/acme/members/acme+${robot}`;
const robotPath = (robot: string) => `/organization/acme/robots/${robot}`;
const plain = () => ({ issuer: issuer.url, subject });

async function exchange(robot: string): Promise<string> {
  const { status, body } = await berth.exchange(`acme+${robot}`, await issuer.sign(berth.url));
  expect(status, JSON.stringify(body)).toBe(200);
  return body.token;
}

/** A robot with a role, as which its robot token manages. */
async function asRobot(robot: string, role: string): Promise<ManagementCall> {
  await berth.createRobot(`acme+${robot}`, { federation: [{ ...plain(), api: true }] });
  expect((await admin("PUT", rolePath(robot), { role })).status).toBe(200);
  return managementBy(berth, await exchange(robot));
}

let made = 0;

/** The name of a robot that somebody made, with a binding. */
async function robotOf(maker: ManagementCall): Promise<{ robot: string; path: string; binding: string }> {
  made += 1;
  const robot = `made-${made}`;
  const path = robotPath(robot);
  expect((await maker("PUT", path, {})).status).toBe(201);
  const bound = await maker("POST", `${path}/federation/bindings`, { ...plain(), api: true });
  expect(bound.status, JSON.stringify(bound.body)).toBe(201);
  return { robot, path, binding: bound.body.id };
}

/** All that its maker may do to a robot, in an order in which each can be done. */
const makersPart = (ask: ManagementCall, { path, binding }: { path: string; binding: string }) =>
  [
    () => ask("PATCH", path, { description: "mine" }),
    () => ask("PATCH", path, { disabled: false }),
    () => ask("PATCH", `${path}/federation/bindings/${binding}`, { description: "mine" }),
    () => ask("PATCH", `${path}/federation/bindings/${binding}`, { api: true, claims: null }),
    () => ask("POST", `${path}/federation/bindings`, { ...plain(), subject: "other", api: true }),
    () => ask("POST", `${path}/federation`, [{ ...plain(), api: true }]),
    () => ask("POST", `${path}/federation`, [plain()]),
    () => ask("DELETE", `${path}/federation/bindings/${binding}`),
    () => ask("DELETE", `${path}/federation`),
    () => ask("POST", `${path}/regenerate`, {}),
    () => ask("DELETE", `${path}/token`),
    () => ask("DELETE", path),
  ] satisfies (() => Promise<ApiAnswer>)[];

/** What is the admin's, of a robot or beside it. */
const adminsPart = (ask: ManagementCall, robot: string) =>
  [
    () => ask("PUT", `${robotPath(robot)}/grants`, [{ repository: "acme/app", actions: ["pull"] }]),
    () => ask("PUT", `${robotPath(robot)}/grants`, []),
    () => ask("PUT", `/repository/acme/app/permissions/user/acme+${robot}`, { role: "read" }),
    () => ask("DELETE", `/repository/acme/app/permissions/user/acme+${robot}`),
    () => ask("POST", prototypes, { role: "read", delegate: { name: `acme+${robot}`, kind: "user" } }),
    () => ask("PUT", rolePath(robot), { role: "reader" }),
    () => ask("PUT", rolePath(robot), { role: "member" }),
    () => ask("DELETE", rolePath(robot)),
    () => ask("PATCH", "/organization/acme", { anonymous_pull: [] }),
    () => ask("PATCH", "/organization/acme", { audiences: null }),
    () => ask("PUT", "/organization/acme/state", { robots: { [robot]: {} }, unlisted: "keep" }),
    () => ask("PUT", "/organization/acme/state?dry_run=true", {}),
    () => ask("DELETE", "/organization/acme"),
  ] satisfies (() => Promise<ApiAnswer>)[];

async function statuses(asked: readonly (() => Promise<ApiAnswer>)[]): Promise<number[]> {
  const told: number[] = [];
  for (const ask of asked) told.push((await ask()).status);
  return told;
}

const state = async () => (await admin("GET", "/organization/acme/state")).body;

describe.each(["a principal", "a robot"])("%s that is a member", (kind) => {
  const member: ManagementCall = (...call) => members[kind]?.(...call) as Promise<ApiAnswer>;

  it("changes, binds and deletes the robots that it made, and has the admin do the rest", async () => {
    const mine = await robotOf(member);
    const before = await state();
    expect(new Set(await statuses(adminsPart(member, mine.robot)))).toEqual(new Set([403]));
    expect(await state()).toEqual(before);
    expect(await statuses(makersPart(member, mine))).toEqual([
      200, 200, 200, 200, 201, 200, 200, 204, 204, 200, 204, 204,
    ]);
  });

  it("leaves alone what others made, which it sees", async () => {
    const others = [boss, ...Object.values(members).filter((one) => one !== members[kind])];
    for (const maker of others) {
      const theirs = await robotOf(maker);
      const before = await state();
      expect((await member("GET", theirs.path)).status).toBe(200);
      expect(new Set(await statuses(makersPart(member, theirs)))).toEqual(new Set([403]));
      expect(await state()).toEqual(before);
    }
    const mine = await robotOf(member);
    expect(new Set(await statuses(makersPart(reader, mine)))).toEqual(new Set([403]));
    expect((await statuses(makersPart(boss, mine))).at(-1)).toBe(204);
  });

  it("does not reach another robot's binding by way of its own", async () => {
    const [mine, theirs] = [await robotOf(member), await robotOf(boss)];
    const before = await state();
    const foreign = `${mine.path}/federation/bindings/${theirs.binding}`;
    expectProblem(await member("PATCH", foreign, { api: true }), 404, "not_found");
    expectProblem(await member("DELETE", foreign), 404, "not_found");
    const stolen = [{ ...plain(), id: theirs.binding, api: true }];
    expectProblem(await member("POST", `${mine.path}/federation`, stolen), 409, "conflict");
    expect(await state()).toEqual(before);
  });

  it.each(["reader", "member"])("keeps a robot that an admin made %s", async (role) => {
    const mine = await robotOf(member);
    expect((await boss("PUT", rolePath(mine.robot), { role })).status).toBe(200);
    const token = managementBy(berth, await exchange(mine.robot));
    expect((await token("GET", "/user")).body.organizations).toEqual([{ name: "acme", role, is_org_admin: false }]);
    expect((await statuses(makersPart(member, mine))).every((status) => status < 300)).toBe(true);
  });

  it("loses one that an admin raised above it, until it is lowered again", async () => {
    const mine = await robotOf(member);
    await boss("PUT", rolePath(mine.robot), { role: "admin" });
    const before = await state();
    const asked = [...makersPart(member, mine), ...adminsPart(member, mine.robot)];
    expect(new Set(await statuses(asked))).toEqual(new Set([403]));
    expect(expectProblem(await member("DELETE", mine.path), 403, "forbidden")).toContain("is admin of acme");
    expect(await state()).toEqual(before);
    await boss("PUT", rolePath(mine.robot), { role: "member" });
    expect((await member("PATCH", mine.path, { description: "mine again" })).status).toBe(200);
  });

  it("has a robot whose token opens nothing until it holds a role, whatever its binding says", async () => {
    const mine = await robotOf(member);
    const ask = managementBy(berth, await exchange(mine.robot));
    expect(expectProblem(await ask("GET", "/user"), 403, "forbidden")).toContain("holds no role");
  });

  it("makes it anew without what an admin had given to the one before", async () => {
    const mine = await robotOf(member);
    await boss("PUT", rolePath(mine.robot), { role: "member" });
    await boss("PUT", `${mine.path}/grants`, [{ repository: "acme/*", actions: ["push"] }]);
    expect((await member("DELETE", mine.path)).status).toBe(204);
    expect((await member("PUT", mine.path, {})).status).toBe(201);
    expect((await member("GET", `${mine.path}/grants`)).body).toEqual([]);
    expect((await member("GET", `${mine.path}/federation`)).body).toEqual([]);
    const { body } = await member("GET", "/organization/acme/members?limit=500");
    expect(body.members).not.toContainEqual(expect.objectContaining({ name: `acme+${mine.robot}` }));
  });
});

describe("a member who is none any more", () => {
  it("leaves its robots behind, until it is one again", async () => {
    const { api: nora } = await makePrincipal(berth, "nora", { roles: { acme: "member" } });
    const mine = await robotOf(nora);
    await admin("PUT", "/organization/acme/members/nora", { role: "reader" });
    expect(new Set(await statuses(makersPart(nora, mine)))).toEqual(new Set([403]));
    await admin("DELETE", "/organization/acme/members/nora");
    expect(new Set(await statuses(makersPart(nora, mine)))).toEqual(new Set([404]));
    await admin("PUT", "/organization/acme/members/nora", { role: "member" });
    expect((await nora("DELETE", mine.path)).status).toBe(204);
  });

  it("was a robot: the next of its name did not make them", async () => {
    const first = await asRobot("maker", "member");
    const mine = await robotOf(first);
    await admin("DELETE", robotPath("maker"));
    const second = await asRobot("maker", "member");
    expect((await second("GET", mine.path)).body.created_by).toBe("acme+maker");
    expect(new Set(await statuses(makersPart(second, mine)))).toEqual(new Set([403]));
  });
});
