import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

/** Whoever reads an organization's log alone can tell who held which role in it at any time, however it was given. */

let berth: TestBerth;
const organizations = ["acme", "beta"];
const principals = ["anna", "bert"];
const roles = ["reader", "member", "admin"] as const;

beforeAll(async () => {
  berth = await startBerth();
  for (const name of organizations) await berth.createRobot(`${name}+ci`);
});

afterAll(() => berth.remove());

interface RoleRecord {
  readonly kind: string;
  readonly robot: string | null;
  readonly performer: { readonly name: string };
  readonly before: { readonly role: string } | null;
  readonly after: { readonly role: string } | null;
  readonly metadata: { readonly member: string };
}

/** What an organization's log says about who is what; each record rests on the one before. */
async function replay(organization: string): Promise<Record<string, string>> {
  const told: Record<string, string> = {};
  const records: RoleRecord[] = [];
  for (let next = ""; ; ) {
    const { body } = await berth.api("GET", `/organization/${organization}/logs?limit=500${next}`);
    records.push(...body.logs);
    if (!body.next_page) break;
    next = `&next_page=${body.next_page}`;
  }
  for (const { kind, before, after, metadata } of records.toReversed()) {
    if (kind !== "put_member" && kind !== "delete_member") continue;
    const { member } = metadata;
    if (told[member] !== undefined && before === null) throw new Error(`${member} was ${told[member]} before`);
    if (before && Object.keys(before).length > 0) expect(before.role, member).toBe(told[member]);
    if (kind === "delete_member") delete told[member];
    else if (after && "role" in after) told[member] = after.role;
  }
  return told;
}

async function held(organization: string): Promise<Record<string, string>> {
  const { members } = (await berth.api("GET", `/organization/${organization}/members?limit=500`)).body;
  return Object.fromEntries(members.map(({ name, role }: { name: string; role: string }) => [name, role]));
}

const organization = fc.constantFrom(...organizations);
const principal = fc.constantFrom(...principals);
const role = fc.constantFrom(...roles);
const rolesByOrganization = fc.dictionary(organization, role, { maxKeys: 2 });
/** What a document of an organization may name as members. */
const members = fc.dictionary(fc.constantFrom(...principals, "ROBOT"), role, { maxKeys: 2 });
const inFull = (name: string, given: object) =>
  Object.fromEntries(Object.entries(given).map(([who, what]) => [who === "ROBOT" ? `${name}+ci` : who, what]));

type Call = readonly [method: string, path: string, body?: unknown];

const change: fc.Arbitrary<Call> = fc.oneof(
  fc
    .tuple(principal, rolesByOrganization)
    .map(([name, given]): Call => ["POST", "/principals", { name, roles: given }]),
  fc
    .tuple(principal, rolesByOrganization)
    .map(([name, given]): Call => ["PATCH", `/principals/${name}`, { roles: given }]),
  principal.map((name): Call => ["PATCH", `/principals/${name}`, { description: "told apart" }]),
  principal.map((name): Call => ["DELETE", `/principals/${name}`]),
  fc
    .tuple(organization, fc.oneof(principal, fc.constant("ROBOT")), role)
    .map(
      ([name, who, given]): Call => [
        "PUT",
        `/organization/${name}/members/${who === "ROBOT" ? `${name}+ci` : who}`,
        { role: given },
      ],
    ),
  fc.tuple(organization, principal).map(([name, who]): Call => ["DELETE", `/organization/${name}/members/${who}`]),
  fc
    .tuple(organization, members)
    .map(([name, given]): Call => ["PUT", `/organization/${name}/state`, { members: inFull(name, given) }]),
  fc
    .tuple(organization, members)
    .map(
      ([name, given]): Call => [
        "PUT",
        "/state",
        { organizations: { [name]: { members: inFull(name, given), unlisted: "delete" } } },
      ],
    ),
  fc.constant<Call>(["PUT", "/state", { principals: {}, unlisted: "delete" }]),
);

it("roles are told by the log of the organization, whichever way they are given and taken", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 4, maxLength: 12 }), async (calls) => {
      for (const call of calls) expect((await berth.api(...call)).status, JSON.stringify(call)).toBeLessThan(500);
      for (const name of organizations) expect(await replay(name), JSON.stringify(calls)).toEqual(await held(name));
    }),
    { numRuns: 15 },
  );
});

it("a change that fails tells nothing", async () => {
  await berth.api("POST", "/principals", { name: "carl", roles: { acme: "reader" } });
  const before = await berth.api("GET", "/organization/acme/logs");
  const refused = await berth.api("PATCH", "/principals/carl", { roles: { acme: "admin", none: "reader" } });
  expectProblem(refused, 400, "invalid");
  expectProblem(await berth.api("POST", "/principals", { name: "carl", roles: { acme: "admin" } }), 409, "conflict");
  expect((await berth.api("GET", "/organization/acme/logs")).body).toEqual(before.body);
});

it("a role that stays is not told again", async () => {
  await berth.api("POST", "/principals", { name: "dora", roles: { acme: "reader", beta: "admin" } });
  await berth.api("PATCH", "/principals/dora", { roles: { acme: "reader" } });
  const told = async (name: string) => {
    const { logs } = (await berth.api("GET", `/organization/${name}/logs`)).body as { logs: RoleRecord[] };
    return logs
      .filter(({ metadata }) => metadata.member === "dora")
      .map(({ kind, performer }) => [kind, performer.name]);
  };
  expect(await told("acme")).toEqual([["put_member", "admin"]]);
  expect(await told("beta")).toEqual([
    ["delete_member", "admin"],
    ["put_member", "admin"],
  ]);
});
