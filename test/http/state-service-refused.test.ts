import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type ManagementCall, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";
import { makeKeySets, resetService, wholeService } from "../support/service-states.ts";

/** What a document of the service is refused for, and that it then changes nothing. */

let berth: TestBerth;
let ask: ManagementCall;
let jwks: object[];

beforeAll(async () => {
  berth = await startBerth({ environment: { BERTH_ISSUER_POLICY: "registered" } });
  ask = managementBy(berth, berth.adminToken);
  jwks = await makeKeySets();
});

beforeEach(() => resetService(ask, berth.host));

afterAll(() => berth.remove());

const all = () => wholeService(berth.host, jwks);
const get = async () => (await ask("GET", "/state")).body;

async function put(document: object): Promise<string[]> {
  const { status, body } = await ask("PUT", "/state", document);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.changes.map(({ action, kind, organization, name }: Record<string, string>) =>
    [action, kind, organization, name].filter((part) => part !== undefined).join(" "),
  );
}

async function expectRefused(document: object, ...paths: (string | number)[][]) {
  const before = await get();
  const refused = await ask("PUT", "/state", document);
  expect([400, 409], JSON.stringify(refused.body)).toContain(refused.status);
  expect(refused.body.errors.map(({ path }: { path: unknown }) => path)).toEqual(paths);
  expect(await get()).toEqual(before);
  return refused.body.errors.map(({ message }: { message: string }) => message).join("\n");
}

describe("a document of the service is refused", () => {
  it("where issuers cannot be told apart", async () => {
    const one = { issuer: "https://twice.example", jwks: jwks[0] };
    const told = await expectRefused({ issuers: [one, { ...one, jwks: jwks[1] }] }, ["issuers", 1]);
    expect(told).toContain("by their names");
    await put({ issuers: [{ ...one, name: "same" }] });
    await expectRefused({ issuers: [{ issuer: "https://other.example", name: "same", jwks: jwks[1] }] }, [
      "issuers",
      0,
      "name",
    ]);
  });

  it("where an issuer is left out that is trusted, unless whoever trusts it goes too", async () => {
    await put(all());
    const { issuers, organizations } = all();
    const document = { issuers: issuers.slice(0, 2), unlisted: "delete" };
    expect(await expectRefused(document, ["issuers"])).toContain("trust");
    const { acme, ...rest } = organizations;
    expect(
      await put({
        ...document,
        organizations: { ...rest, acme: { ...acme, members: {}, robots: {}, prototypes: {} } },
      }),
    ).toContain("delete issuer https://plain.example");
  });

  it("where a registry is left out that grants are on", async () => {
    await put(all());
    const told = await expectRefused({ registries: { [berth.host]: {} }, unlisted: "delete" }, ["registries"]);
    expect(told).toContain("grant");
  });

  it("where it names what no document changes, or what was deleted", async () => {
    const bootstrap = await expectRefused({ principals: { admin: {} } }, ["principals", "admin"]);
    expect(bootstrap).toContain("BERTH_ADMIN_TOKEN");
    await put({ organizations: { gone: {} } });
    await ask("DELETE", "/organization/gone");
    const told = await expectRefused({ organizations: { gone: {}, fine: {} } }, ["organizations", "gone"]);
    expect(told).toContain("deleted-organizations/gone");
  });

  it("with every problem that it has, wherever it is", async () => {
    await put({ organizations: { acme: {} } });
    await expectRefused(
      {
        issuers: [{ issuer: "ftp://no.example" }, { issuer: "https://fine.example", jwks: jwks[0] }],
        registries: { "a b": {}, "fine.example": { rotation_days: 0 } },
        principals: { "Not a name": {}, fine: {} },
        organizations: {
          "Not a name": {},
          acme: {
            members: { nobody: "admin" },
            robots: { ci: { federation: [{ issuer: "https://strange.example", subject: "x" }] } },
          },
          beta: { settings: { repository_prefixes: ["acme"] } },
        },
      },
      ["issuers", 0, "issuer"],
      ["registries", "a b", "service"],
      ["registries", "fine.example", "rotation_days"],
      ["principals", "Not a name", "name"],
      ["organizations", "Not a name", "name"],
      ["organizations", "acme", "robots", "ci", "federation", 0, "issuer"],
      ["organizations", "acme", "members", "nobody"],
      ["organizations", "beta", "settings"],
    );
  });

  it("where its shape is another, with each place", async () => {
    const refused = await ask("PUT", "/state", {
      issuer: [],
      issuers: [{ jwks: null }, { issuer: "https://x.example", secret: "x" }],
      registries: { x: { ttl: 1 } },
      principals: { x: { roles: {} } },
      organizations: { acme: { setting: {} } },
    });
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors.map(({ path }: { path: unknown[] }) => path.join(".")).toSorted()).toEqual([
      "",
      "issuers.0.issuer",
      "issuers.1",
      "organizations.acme",
      "principals.x",
      "registries.x",
    ]);
  });
});
