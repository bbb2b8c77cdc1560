import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { type ManagementCall, makePrincipal, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";
import { cluster, makeKeySets, noRegistry, resetService, wholeService } from "../support/service-states.ts";

/** The state of the whole service in one document. */

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

describe("the document of the service", () => {
  it("has the default registry alone at first, and not the bootstrap superuser", async () => {
    expect(await get()).toEqual({
      issuers: [],
      registries: { [berth.host]: noRegistry },
      principals: {},
      organizations: {},
    });
  });

  it("makes everything from nothing, in an order in which each thing is there when it is needed", async () => {
    expect((await put(all())).toSorted()).toEqual(
      [
        `create issuer ${cluster} (blue)`,
        `create issuer ${cluster} (green)`,
        "create issuer https://plain.example",
        `change registry ${berth.host}`,
        "create registry second.example",
        "create principal anna",
        "create principal constructor",
        "create principal ops",
        "create organization acme",
        "create organization empty.one",
        "change settings acme acme",
        "create member acme acme+ci",
        "create member acme constructor",
        "create robot acme acme+ci",
        "create prototype acme acme+ci",
      ].toSorted(),
    );
    expect(await get()).toEqual(all());
    expect(await put(all())).toEqual([]);
    expect(await put(await get())).toEqual([]);
    const service = encodeURIComponent("second.example");
    expect((await call(`${berth.url}/registries/${service}/jwks.json`)).body.keys).not.toEqual([]);
  });

  it("is changed in each of its parts by what it says, and by nothing else", async () => {
    await put(all());
    const { issuers, registries, principals, organizations } = all();
    const [blue, green, plain] = issuers;
    const { acme } = organizations;
    const changes = {
      issuers: [blue, { ...green, audiences: null }, plain],
      registries: { ...registries, "second.example": { token_ttl: 300 } },
      principals: { ...principals, ops: { super_user: false } },
      organizations: { acme: { settings: { email: null } } },
    };
    expect(await put(changes)).toEqual([
      `change issuer ${cluster} (green)`,
      "change registry second.example",
      "change principal ops",
      "change settings acme acme",
    ]);
    expect(await get()).toEqual({
      issuers: changes.issuers,
      registries: { ...registries, "second.example": { ...registries["second.example"], token_ttl: 300 } },
      principals: { ...principals, ops: { ...principals.ops, super_user: false } },
      organizations: { ...organizations, acme: { ...acme, settings: { ...acme.settings, email: null } } },
    });
  });

  it("keeps what it does not list, unless it says delete", async () => {
    await put(all());
    const empty = { issuers: [], registries: {}, principals: {}, organizations: {} };
    for (const document of [
      {},
      empty,
      { ...empty, unlisted: "keep" },
      { organizations: { acme: { robots: {}, members: {} } } },
    ]) {
      expect(await put(document)).toEqual([]);
    }
    expect(await put({ organizations: { acme: { robots: {}, unlisted: "delete" } } })).toEqual([
      "delete member acme acme+ci",
      "delete robot acme acme+ci",
      "delete prototype acme acme+ci",
    ]);
    expect(await put({ principals: { anna: {} }, unlisted: "delete" })).toEqual([
      "delete principal constructor",
      "delete principal ops",
    ]);
    expect((await put({ ...empty, unlisted: "delete" })).toSorted()).toEqual([
      `delete issuer ${cluster} (blue)`,
      `delete issuer ${cluster} (green)`,
      "delete issuer https://plain.example",
      "delete organization acme",
      "delete organization empty.one",
      "delete principal anna",
      "delete registry second.example",
    ]);
    expect(await get()).toEqual({
      ...empty,
      registries: { [berth.host]: { ...noRegistry, token_ttl: 120, refresh_tokens: true } },
    });
    expect((await ask("GET", "/user")).body.super_user).toBe(true);
  });
});

describe("who may, and when", () => {
  it("superusers put it, read-only ones read it, and nobody else sees it", async () => {
    const reader = await makePrincipal(berth, "reader", { super_user: "read_only" });
    expect((await reader.api("GET", "/state")).body).toEqual(await get());
    expectProblem(await reader.api("PUT", "/state", {}), 403, "forbidden");
    expectProblem(await reader.api("PUT", "/state?dry_run=true", {}), 403, "forbidden");
    const stranger = await makePrincipal(berth, "stranger");
    expectProblem(await stranger.api("GET", "/state"), 403, "forbidden");
  });

  it("only where nothing was changed meanwhile, if asked so", async () => {
    const { headers } = await ask("GET", "/state");
    const match = { "if-match": headers.get("etag") ?? "" };
    const document = { principals: { late: {} } };
    await ask("POST", "/principals", { name: "between" });
    expectProblem(await ask("PUT", "/state", document, match), 412, "precondition_failed");
    expectProblem(await ask("PUT", "/state?dry_run=true", document, match), 412, "precondition_failed");
    const again = { "if-match": (await ask("GET", "/state")).headers.get("etag") ?? "" };
    expect((await ask("PUT", "/state?dry_run=true", document, again)).status).toBe(200);
    expect((await ask("PUT", "/state", document, again)).status).toBe(200);
  });
});
