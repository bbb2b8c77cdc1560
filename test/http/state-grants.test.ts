import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type ManagementCall, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** A role on all repositories of the organization is told as a prototype, every other grant beside its robot. */

const state = "/organization/acme/state";
let berth: TestBerth;
let ask: ManagementCall;

beforeAll(async () => {
  berth = await startBerth();
  ask = managementBy(berth, berth.adminToken);
  await ask("POST", "/organization/", { name: "acme" });
  await ask("POST", "/registries", { service: "second.example" });
});

afterAll(() => berth.remove());

let made = 0;
const newName = () => {
  made += 1;
  return `robot-${made}`;
};

const wide = (actions: string[], more: object = {}) => ({ repository: "acme/*", actions, ...more });
const narrow = { repository: "acme/app", actions: ["pull"] };

interface Told {
  readonly grants?: readonly object[];
  readonly prototype?: string;
  readonly unlisted?: "delete";
}

/** Puts what is told of one robot; the others are left alone. */
async function put(name: string, { grants, prototype, unlisted }: Told) {
  return ask("PUT", state, {
    robots: { ...(unlisted && (await get()).robots), [name]: { ...(grants && { grants }) } },
    ...(prototype !== undefined && { prototypes: prototype === "" ? {} : { [name]: prototype } }),
    unlisted: unlisted ?? "keep",
  });
}
const get = async () => (await ask("GET", state)).body;

async function told(name: string): Promise<Told> {
  const { robots, prototypes } = await get();
  return { grants: robots[name].grants, ...(prototypes[name] && { prototype: prototypes[name] }) };
}

/** A robot with grants that were given one by one. */
async function robot(...grants: readonly object[]): Promise<string> {
  const name = newName();
  await berth.createRobot(`acme+${name}`, { grants });
  return name;
}
const stored = async (name: string) => (await ask("GET", `/organization/acme/robots/${name}/grants`)).body;

describe("a grant on all repositories", () => {
  it.each([
    ["read", ["pull"]],
    ["write", ["push", "pull"]],
    ["admin", ["delete", "pull", "push"]],
  ])("that is the role %s is told as a prototype", async (role, actions) => {
    const name = await robot(narrow, wide(actions));
    expect(await told(name)).toEqual({ grants: [narrow], prototype: role });
  });

  it.each([
    ["no role", wide(["push"])],
    ["more than a role, and less than the next", wide(["pull", "delete"])],
    ["on another registry", wide(["pull"], { registry: "second.example" })],
  ])("that is %s is told as a grant", async (_, grant) => {
    const name = await robot(grant);
    expect(await told(name)).toEqual({ grants: [grant] });
    expect((await put(name, { grants: [grant], prototype: "" })).body.changes).toEqual([]);
  });

  it("may be put as a grant, and is then told as a prototype", async () => {
    const name = await robot();
    const written = [wide(["pull"], { registry: berth.host }), narrow];
    const { body } = await put(name, { grants: written });
    expect(body.changes).toMatchObject([
      { action: "change", kind: "robot", before: { grants: [] }, after: { grants: [narrow] } },
      { action: "create", kind: "prototype", after: "read" },
    ]);
    expect(await told(name)).toEqual({ grants: [narrow], prototype: "read" });
    for (const grants of [written, written.toReversed()]) {
      expect((await put(name, { grants })).body.changes).toEqual([]);
      expect((await put(name, { grants, prototype: "" })).body.changes).toEqual([]);
    }
  });

  it("is told once: as a grant or as a prototype", async () => {
    const name = await robot();
    for (const prototype of ["read", "write"]) {
      const refused = await put(name, { grants: [narrow, wide(["pull"])], prototype });
      expectProblem(refused, 400, "invalid");
      expect(refused.body.errors.map((one: { path: unknown }) => one.path)).toEqual([["prototypes", name]]);
    }
    expect(await stored(name)).toEqual([]);
  });

  it("takes the place of the one that there is, where the document is silent on grants", async () => {
    const name = await robot(narrow, wide(["push"]));
    const { status, body } = await ask("PUT", state, { prototypes: { [name]: "admin" }, unlisted: "keep" });
    expect(status, JSON.stringify(body)).toBe(200);
    expect(await told(name)).toEqual({ grants: [narrow], prototype: "admin" });
  });
});

describe("a prototype", () => {
  it("stays when only grants are told, and grants when only prototypes are", async () => {
    const name = await robot(narrow, wide(["pull"]));
    await put(name, { grants: [] });
    expect(await told(name)).toEqual({ grants: [], prototype: "read" });
    await put(name, { grants: [narrow] });
    await put(name, { prototype: "write" });
    expect(await told(name)).toEqual({ grants: [narrow], prototype: "write" });
  });

  it("goes by a section that does not list it, and stays by one that keeps", async () => {
    const name = await robot(narrow, wide(["pull"]));
    await put(name, { prototype: "" });
    expect(await told(name)).toEqual({ grants: [narrow], prototype: "read" });
    await put(name, { prototype: "", unlisted: "delete" });
    expect(await told(name)).toEqual({ grants: [narrow] });
    expect(await stored(name)).toHaveLength(1);
  });

  it("is the same that Quay's clients see, and keeps its id through documents", async () => {
    const name = await robot(narrow);
    await put(name, { prototype: "read" });
    const ofRobot = async () => {
      const { prototypes } = (await ask("GET", "/organization/acme/prototypes?limit=500")).body;
      return prototypes.find(({ delegate }: { delegate: { name: string } }) => delegate.name === `acme+${name}`);
    };
    const first = await ofRobot();
    expect(first).toMatchObject({ role: "read" });
    await put(name, { prototype: "write", grants: [] });
    await put(name, { grants: [narrow, { catalog: true }] });
    expect(await ofRobot()).toMatchObject({ id: first.id, role: "write" });
    await ask("PUT", `/organization/acme/prototypes/${first.id}`, { role: "admin" });
    expect(await told(name)).toMatchObject({ prototype: "admin" });
  });

  it("is a robot's of the organization, which is told where it stands", async () => {
    await berth.createRobot("other+ci");
    const document = { prototypes: { nobody: "read", "other+ci": "read", "acme+nobody": "read", constructor: "read" } };
    const refused = await ask("PUT", state, { ...document, unlisted: "keep" });
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors.map((one: { path: unknown }) => one.path).toSorted()).toEqual(
      Object.keys(document.prototypes)
        .map((name) => ["prototypes", name])
        .toSorted(),
    );
    expectProblem(await ask("PUT", state, { prototypes: { nobody: "owner" } }), 400, "invalid");
  });
});

describe("grants", () => {
  it("are the same in any order, with any order of actions, and with the default registry named or not", async () => {
    const name = await robot();
    const grants = [
      { repository: "acme/app", actions: ["pull", "push"] },
      { registry: "second.example", repository: "acme/app", actions: ["pull"] },
      { catalog: true },
    ];
    expect((await put(name, { grants })).status).toBe(200);
    const before = await stored(name);
    for (const same of [
      grants.toReversed(),
      [
        { registry: berth.host, catalog: true },
        grants[1] as object,
        { repository: "acme/app", actions: ["push", "pull", "pull"] },
      ],
    ]) {
      expect((await put(name, { grants: same })).body.changes).toEqual([]);
      expect(await stored(name)).toEqual(before);
    }
  });

  it("are refused each where it stands", async () => {
    const name = await robot(narrow);
    const refused = await put(name, {
      grants: [
        narrow,
        { repository: "acme/app", actions: ["push"] },
        { registry: "none.example", ...narrow },
        { repository: "acme/**", actions: ["pull"] },
      ],
    });
    expectProblem(refused, 400, "invalid");
    const paths = refused.body.errors.map(({ path }: { path: unknown }) => path);
    expect(paths).toEqual([
      ["robots", name, "grants", 1, "repository"],
      ["robots", name, "grants", 2, "registry"],
      ["robots", name, "grants", 3, "repository"],
    ]);
    for (const grant of [{ repository: "acme/app" }, { catalog: false }, { ...narrow, action: "pull" }, {}]) {
      const misshapen = await put(name, { grants: [grant] });
      expectProblem(misshapen, 400, "invalid");
      expect(misshapen.body.errors[0].path.slice(0, 4)).toEqual(["robots", name, "grants", 0]);
    }
    expect(await told(name)).toEqual({ grants: [narrow] });
  });

  it("on names that the organization gives up go with them, in one document", async () => {
    const name = await robot();
    const legacy = { repository: "legacy/app", actions: ["pull"] };
    const document = (repository_prefixes: string[], grants: object[], anonymous_pull: object[]) => ({
      settings: { repository_prefixes, anonymous_pull },
      robots: { [name]: { grants } },
      unlisted: "keep",
    });
    for (const part of [
      document(["legacy"], [legacy], [{ repository: "legacy/public" }]),
      document(["elsewhere"], [{ repository: "elsewhere/app", actions: ["pull"] }], []),
      document(["legacy"], [legacy], [{ repository: "legacy/public" }]),
      document([], [narrow], []),
    ]) {
      const { status, body } = await ask("PUT", state, part);
      expect(status, JSON.stringify(body)).toBe(200);
      expect((await get()).settings).toMatchObject(part.settings);
      expect(await told(name)).toEqual({ grants: part.robots[name]?.grants });
    }
    await ask("PUT", state, document(["legacy"], [legacy], []));
    const refused = await ask("PUT", state, { settings: { repository_prefixes: [] } });
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors).toMatchObject([{ path: ["settings", "repository_prefixes"] }]);
  });
});
