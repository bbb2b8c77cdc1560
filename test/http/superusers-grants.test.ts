import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { type ManagementCall, makePrincipal, managementBy } from "../support/principals.ts";

/** What reaches beyond an organization is a superuser's to give; its admins may leave it, lessen it, or take it away. */

let berth: TestBerth;
let issuer: TestIssuer;
let superuser: ManagementCall;
let admins: Readonly<Record<string, ManagementCall>>;

const acme = "/organization/acme";

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  superuser = managementBy(berth, berth.adminToken);
  for (const name of ["acme", "beta"]) await superuser("POST", "/organization/", { name });
  await superuser("PATCH", acme, { repository_prefixes: ["legacy", "old/acme/*"] });
  await superuser("POST", "/registries", { service: "second.example" });
  await berth.createRobot("acme+gitops", { federation: [{ issuer: issuer.url, subject, api: true }] });
  await superuser("PUT", `${acme}/members/acme+gitops`, { role: "admin" });
  const exchanged = await berth.exchange("acme+gitops", await issuer.sign(berth.url));
  const narrowed = { organizations: ["acme"] };
  admins = {
    "an admin": (await makePrincipal(berth, "boss", { roles: { acme: "admin" } })).api,
    "a robot that is admin": managementBy(berth, exchanged.body.token),
    "a superuser by a token for the organization": (await makePrincipal(berth, "root", { super_user: true }, narrowed))
      .api,
  };
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

let made = 0;

async function robot(grants: readonly object[] = []): Promise<string> {
  made += 1;
  const name = `robot-${made}`;
  await berth.createRobot(`acme+${name}`, { grants });
  return name;
}

const pull = ["pull"];
const foreign = [
  { repository: "beta/app", actions: pull },
  { repository: "beta/*", actions: pull },
  { repository: "*", actions: pull },
  { repository: "acme", actions: pull },
  { repository: "acmeish/app", actions: pull },
  { repository: "old/acme", actions: pull },
  { repository: "old/*", actions: pull },
  { catalog: true },
  { registry: "second.example", repository: "beta/app", actions: pull },
  { registry: "second.example", catalog: true },
];
const own = [
  { repository: "acme/*", actions: ["pull", "push", "delete"] },
  { repository: "legacy/app", actions: pull },
  { repository: "old/acme/app", actions: pull },
  { registry: "second.example", repository: "acme/app", actions: pull },
];

/** Each way in which an admin could give a robot grants. */
const ways = {
  "the robot's grants": (ask: ManagementCall, name: string, grants: readonly object[]) =>
    ask("PUT", `${acme}/robots/${name}/grants`, grants),
  "the organization's state": (ask: ManagementCall, name: string, grants: readonly object[]) =>
    ask("PUT", `${acme}/state`, { robots: { [name]: { grants } }, unlisted: "keep" }),
};

const cases = ["an admin", "a robot that is admin", "a superuser by a token for the organization"].flatMap((who) =>
  (Object.keys(ways) as (keyof typeof ways)[]).map((way) => ({ who, way })),
);

describe.each(cases)("$who, by $way", ({ who, way }) => {
  const put = (name: string, grants: readonly object[]) => ways[way](admins[who] as ManagementCall, name, grants);
  const grantsOf = async (name: string) => (await superuser("GET", `${acme}/robots/${name}/grants`)).body;

  it("gives what is the organization's own", async () => {
    const name = await robot();
    expect((await put(name, own)).status).toBe(200);
    expect(await grantsOf(name)).toHaveLength(own.length);
  });

  it("does not give what is not, and is told each", async () => {
    const name = await robot();
    for (const grant of foreign) {
      const refused = await put(name, [...own, grant]);
      expect(refused.status, JSON.stringify(grant)).toBe(403);
      expect(refused.body.errors.map(({ path }: { path: unknown[] }) => path.slice(-2))).toEqual([
        [own.length, "catalog" in grant ? "catalog" : "repository"],
      ]);
    }
    const refused = await put(name, foreign.slice(0, 3));
    expect(refused.body.errors).toHaveLength(3);
    expect(await grantsOf(name)).toEqual([]);
  });

  it("sends back what a superuser gave, in any order, less of it, or none", async () => {
    const given = [{ repository: "beta/*", actions: ["pull", "push"] }, ...foreign.filter((one) => one !== foreign[1])];
    const name = await robot(given);
    const stored = await grantsOf(name);
    expect((await put(name, stored)).status).toBe(200);
    expect(await grantsOf(name)).toEqual(stored);
    expect((await put(name, [...own, ...stored.toReversed()])).status).toBe(200);
    expect(await grantsOf(name)).toHaveLength(stored.length + own.length);
    expect((await put(name, [{ repository: "beta/*", actions: ["push"] }])).status).toBe(200);
    expect((await put(name, [{ repository: "beta/*", actions: ["pull", "push"] }])).status).toBe(403);
    expect((await put(name, [])).status).toBe(200);
    expect((await put(name, [{ repository: "beta/*", actions: ["push"] }])).status).toBe(403);
  });

  it("makes no more of it: neither other actions, nor another registry, nor another robot", async () => {
    const [name, other] = [await robot([{ repository: "beta/app", actions: pull }, { catalog: true }]), await robot()];
    const stored = await grantsOf(name);
    for (const grants of [
      [{ repository: "beta/app", actions: ["pull", "push"] }],
      [{ registry: "second.example", repository: "beta/app", actions: pull }],
      [{ registry: "second.example", catalog: true }],
      [{ repository: "beta/app/*", actions: pull }],
    ]) {
      expect((await put(name, grants)).status, JSON.stringify(grants)).toBe(403);
    }
    expect((await put(other, stored)).status).toBe(403);
    expect(await grantsOf(name)).toEqual(stored);
    expect(await grantsOf(other)).toEqual([]);
  });
});

describe.each(["an admin", "a robot that is admin"])("%s", (who) => {
  const ask: ManagementCall = (...call) => (admins[who] as ManagementCall)(...call);

  it("puts back a document in which a superuser gave this and that", async () => {
    await robot([...foreign, { repository: "acme/*", actions: pull }]);
    const { body } = await ask("GET", `${acme}/state`);
    expect(body.settings.repository_prefixes).toEqual(["legacy", "old/acme/*"]);
    const put = await ask("PUT", `${acme}/state`, body);
    expect(put.status, JSON.stringify(put.body)).toBe(200);
    expect(put.body.changes).toEqual([]);
  });

  it("does not change which names are the organization's own", async () => {
    for (const repository_prefixes of [[], ["legacy"], ["old/acme/*", "legacy"], ["legacy", "old/acme/*", "beta"]]) {
      const settings = { repository_prefixes };
      expect((await ask("PATCH", acme, settings)).status).toBe(403);
      expect((await ask("PUT", acme, settings)).status).toBe(403);
      expect((await ask("PUT", `${acme}/state`, { settings })).status).toBe(403);
    }
    const { repository_prefixes } = (await superuser("GET", acme)).body;
    expect(repository_prefixes).toEqual(["legacy", "old/acme/*"]);
    expect((await ask("PATCH", acme, { repository_prefixes, email: "a@acme.example" })).status).toBe(200);
    expect((await ask("PUT", `${acme}/state`, { settings: { repository_prefixes } })).status).toBe(200);
  });

  it("gives nothing foreign by any other way", async () => {
    const name = await robot();
    const before = (await superuser("GET", "/state")).body;
    const refused = [
      await ask("PUT", `/repository/beta/app/permissions/user/acme+${name}`, { role: "read" }),
      await ask("POST", `${acme}/prototypes`, { role: "read", delegate: { name: "beta+ci", kind: "user" } }),
      await ask("PATCH", acme, { anonymous_pull: [{ repository: "beta/app" }] }),
      await ask("PATCH", acme, { anonymous_pull: [{ repository: "*" }] }),
      await ask("PUT", `${acme}/state`, { settings: { anonymous_pull: [{ repository: "old/app" }] } }),
      await ask("PUT", "/organization/beta/state", { members: { boss: "admin" } }),
      await ask("PUT", "/organization/beta/members/boss", { role: "admin" }),
      await ask("PUT", `${acme}/members/beta+ci`, { role: "reader" }),
      await ask("PUT", "/state", { organizations: { acme: {} }, unlisted: "keep" }),
      await ask("POST", "/organization/", { name: "gamma" }),
      await ask("PATCH", "/principals/boss", { super_user: true }),
    ];
    for (const { status, body } of refused) expect([400, 403, 404], JSON.stringify(body)).toContain(status);
    expect((await superuser("GET", "/state")).body).toEqual(before);
  });
});
