import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import {
  type OrganizationState,
  organizationStates,
  statePrincipals,
  stateRegistry,
} from "../support/organization-states.ts";
import { type ManagementCall, managementBy } from "../support/principals.ts";

/** An organization goes from any document to any other, and is then what the document says. */

const state = "/organization/acme/state";
let berth: TestBerth;
let ask: ManagementCall;

beforeAll(async () => {
  berth = await startBerth();
  ask = managementBy(berth, berth.adminToken);
  for (const name of statePrincipals) await ask("POST", "/principals", { name });
  for (const name of ["acme", "beta"]) await ask("POST", "/organization/", { name });
  await ask("POST", "/registries", { service: stateRegistry });
});

afterAll(() => berth.remove());

interface Change {
  readonly action: "create" | "change" | "delete";
  readonly kind: "settings" | "member" | "robot" | "prototype";
  readonly name: string;
  readonly before?: object;
  readonly after?: object;
}

const SECTIONS = { settings: "settings", member: "members", robot: "robots", prototype: "prototypes" } as const;

/** What a document becomes by the changes that were told. */
function apply(document: OrganizationState, changes: readonly Change[]): unknown {
  const { settings, ...rest } = document;
  const sections = new Map<string, Map<string, unknown>>([["settings", new Map([["acme", settings]])]]);
  for (const [name, things] of Object.entries(rest)) sections.set(name, new Map(Object.entries(things)));
  for (const { action, kind, name, before, after } of changes) {
    const things = sections.get(SECTIONS[kind]);
    const key = kind === "member" ? name : name.replace("acme+", "");
    const was = things?.get(key);
    if (action === "create") expect(was, name).toBeUndefined();
    else if (typeof was === "object") expect(was).toMatchObject(before ?? {});
    else expect(was).toBe(before);
    if (action === "delete") things?.delete(key);
    else things?.set(key, typeof was === "object" ? { ...was, ...after } : after);
  }
  const told = Object.fromEntries(Array.from(sections, ([name, things]) => [name, Object.fromEntries(things)]));
  return { ...told, settings: told.settings?.acme };
}

it("from one that it tells by changes, tried before, to one that changes nothing when it is put again", async () => {
  await fc.assert(
    fc.asyncProperty(organizationStates, async (wanted) => {
      const before = await ask("GET", state);
      const tried = await ask("PUT", `${state}?dry_run=true`, wanted);
      expect(tried.status, JSON.stringify(tried.body)).toBe(200);
      expect(tried.headers.get("etag")).toBeNull();
      const between = await ask("GET", state);
      expect([between.body, between.headers.get("etag")]).toEqual([before.body, before.headers.get("etag")]);

      const put = await ask("PUT", state, wanted, { "if-match": before.headers.get("etag") ?? "" });
      expect(put.status, JSON.stringify(put.body)).toBe(200);
      expect(put.body).toEqual({ dry_run: false, changes: tried.body.changes });
      const after = await ask("GET", state);
      expect(after.body).toEqual(wanted);
      expect(after.headers.get("etag")).toBe(put.headers.get("etag"));
      expect(apply(before.body, put.body.changes)).toEqual(after.body);

      for (const again of [wanted, after.body]) {
        expect((await ask("PUT", state, again)).body).toEqual({ dry_run: false, changes: [] });
      }
      expect((await ask("GET", state)).headers.get("etag")).toBe(after.headers.get("etag"));
    }),
    { numRuns: 15, endOnFailure: true },
  );
});

const pick = <T>(things: Readonly<Record<string, T>>, isKept: (name: string) => boolean): Record<string, T> =>
  Object.fromEntries(Object.entries(things).filter(([name]) => isKept(name)));
const isGrantedAll = ({ grants }: OrganizationState["robots"][string]) =>
  grants.some((grant) => "repository" in grant && grant.repository === "acme/*" && !("registry" in grant));

it("and leaves what no section is about, but for what goes with a robot", async () => {
  const sections = fc.subarray(["settings", "members", "robots", "prototypes"] as const);
  await fc.assert(
    fc.asyncProperty(organizationStates, organizationStates, sections, async (from, to, told) => {
      const settings = told.includes("settings") ? to.settings : from.settings;
      const robots = told.includes("robots") ? to.robots : from.robots;
      const isThere = (name: string) => Object.hasOwn(robots, name);
      const isKnown = (name: string) => statePrincipals.includes(name) || isThere(name.replace("acme+", ""));
      const mayHold = (name: string) =>
        isThere(name) && !isGrantedAll(robots[name] as OrganizationState["robots"][string]);
      const wanted = {
        settings,
        robots,
        members: pick(told.includes("members") ? to.members : from.members, isKnown),
        prototypes: pick(told.includes("prototypes") ? to.prototypes : from.prototypes, mayHold),
      };
      expect((await ask("PUT", state, from)).status).toBe(200);
      const part = Object.fromEntries(told.map((section) => [section, wanted[section]]));
      const put = await ask("PUT", state, part);
      expect(put.status, JSON.stringify(put.body)).toBe(200);
      expect((await ask("GET", state)).body).toEqual(wanted);
    }),
    { numRuns: 15, endOnFailure: true },
  );
});
