import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { register } from "../support/issuers.ts";
import { type ManagementCall, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";
import { createSigner } from "../support/signer.ts";

/** The bindings of a document are exactly what a robot has, and those that stay so end no job's token. */

const state = "/organization/acme/state";
let berth: TestBerth;
let issuer: TestIssuer;
let ask: ManagementCall;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  ask = managementBy(berth, berth.adminToken);
  await ask("POST", "/organization/", { name: "acme" });
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

interface Binding {
  readonly id: string;
  readonly version: number;
  readonly subject: string;
  readonly [member: string]: unknown;
}

let made = 0;

/** A robot that is kept by documents. */
async function robot(...federation: readonly object[]) {
  made += 1;
  const name = `robot-${made}`;
  const path = `/organization/acme/robots/${name}/federation`;
  const put = (...entries: readonly object[]) =>
    ask("PUT", state, { robots: { [name]: { federation: entries } }, unlisted: "keep" });
  const kept = {
    name,
    path,
    put,
    stored: async (): Promise<Binding[]> => (await ask("GET", path)).body,
    document: async () => (await ask("GET", state)).body.robots[name].federation,
    /** Puts what has to be accepted, and gives what is stored then. */
    async become(...entries: readonly object[]): Promise<Binding[]> {
      const { status, body } = await put(...entries);
      expect(status, JSON.stringify(body)).toBe(200);
      return kept.stored();
    },
  };
  await kept.become(...federation);
  return kept;
}

const bound = (more: object = {}) => ({ issuer: issuer.url, subject, ...more });
const ids = (bindings: readonly Binding[]) => bindings.map(({ id }) => id);
const versions = (bindings: readonly Binding[]) => bindings.map(({ version }) => version);
const claims = { ref: { in: ["refs/heads/main"] } };

async function holdToken(name: string, more: object = {}): Promise<() => Promise<number>> {
  const { status, body } = await berth.exchange(`acme+${name}`, await issuer.sign(berth.url, { ...more }));
  expect(status, JSON.stringify(body)).toBe(200);
  const opens = managementBy(berth, body.token);
  // It opens no management, which is told of those alone that stand.
  return async () => ((await opens("GET", "/user")).body.detail.includes("was ended") ? 401 : 200);
}

describe("a binding of a document", () => {
  it("stays what it is where nothing of it is another, and so do the tokens that it minted", async () => {
    const { name, become, stored } = await robot(
      bound({ claims, token_ttl: 600, audiences: [], clients: ["ci"] }),
      bound({ subject: "x:*" }),
    );
    const before = await stored();
    await become(bound(), bound({ subject: "x:*" }));
    const [binding] = await stored();
    expect(binding).toMatchObject({ id: before[0]?.id, version: 2 });
    const stands = await holdToken(name);
    for (const same of [
      bound(),
      bound({ claims: null, scope: null, token_ttl: null, audiences: null, clients: null, expires_at: null }),
      bound({ mode: "enforce", api: false, description: null, claims: {} }),
    ]) {
      expect(await become(same, bound({ subject: "x:*" }))).toMatchObject([{ version: 2 }, { version: 1 }]);
      expect(ids(await stored())).toEqual(ids(before));
    }
    expect(await stands()).toBe(200);
  });

  it("keeps its version through another description, and another place", async () => {
    const entries = [bound(), bound({ subject: "second" }), bound({ subject: "third", claims })];
    const { name, become } = await robot(...entries);
    const stands = await holdToken(name);
    const described = await become(...entries.map((one, index) => ({ ...one, description: `the ${index}` })));
    expect(described.map(({ description }) => description)).toEqual(["the 0", "the 1", "the 2"]);
    expect(versions(described)).toEqual([1, 1, 1]);
    const turned = await become(...entries.toReversed());
    expect(ids(turned)).toEqual(ids(described).toReversed());
    expect(versions(turned)).toEqual([1, 1, 1]);
    expect(turned.map(({ description }) => description)).toEqual([null, null, null]);
    expect(await stands()).toBe(200);
  });

  it("loses its conditions where the document says so, unlike by Quay's list, and ends what it minted", async () => {
    const { name, path, become, stored } = await robot(bound({ claims: { ref: { equals: "main" } } }));
    const stands = await holdToken(name, { ref: "main" });
    const before = await stored();
    expect((await ask("POST", path, [bound()])).body).toMatchObject([
      { claims: { ref: { equals: "main" } }, version: 1 },
    ]);
    expect(await stands()).toBe(200);
    expect(await become(bound())).toMatchObject([{ id: before[0]?.id, version: 2, claims: null }]);
    expect(await stands()).toBe(401);
  });

  it.each<[string, object]>([
    ["claims", { claims }],
    ["audiences", { audiences: ["other"] }],
    ["clients", { clients: ["other"] }],
    ["token_ttl", { token_ttl: 61 }],
    ["scope", { scope: "repository:acme/app:pull" }],
    ["mode", { mode: "audit" }],
    ["api", { api: true }],
    ["expires_at", { expires_at: "2099-01-01T00:00:00Z" }],
  ])("has a new version when its %s is another", async (_, more) => {
    const { name, become, stored } = await robot(bound());
    const stands = await holdToken(name);
    const [before] = await stored();
    const [after] = await become(bound(more));
    expect(after).toMatchObject({ id: before?.id, version: 2 });
    expect(await stands()).toBe(401);
    expect(versions(await become(bound(more)))).toEqual([2]);
  });

  it("goes when the document has none of its pair, and one of another comes", async () => {
    const { become, stored } = await robot(bound(), bound({ subject: "second" }));
    const before = ids(await stored());
    const after = await become(bound({ subject: "second" }), bound({ subject: "third" }));
    expect(after[0]?.id).toBe(before[1]);
    expect(before).not.toContain(after[1]?.id);
    expect(await become()).toEqual([]);
  });

  it("is told apart from others of its pair by what it says", async () => {
    const [a, b, c] = ["a", "b", "c"].map((ref) => bound({ claims: { ref: { equals: ref } } }));
    const { become, stored } = await robot(a as object, b as object);
    const [first, second] = await stored();
    const [changed, kept] = await become(c as object, b as object);
    expect(kept).toMatchObject({ id: second?.id, version: 1 });
    expect(changed).toMatchObject({ id: first?.id, version: 2 });
    const [alone] = await become(b as object);
    expect(alone).toMatchObject({ id: second?.id, version: 1 });
    expect(versions(await become(a as object, b as object, c as object))).toEqual([1, 1, 1]);
  });

  it("is one of a list without exact repeats, of which there are not too many", async () => {
    const { name, put, stored } = await robot(bound());
    const before = await stored();
    const repeated = await put(bound(), bound({ subject: "x" }), bound({ claims: null }));
    expectProblem(repeated, 400, "invalid");
    expect(repeated.body.errors).toMatchObject([{ path: ["robots", name, "federation", 2] }]);
    const many = await put(...Array.from({ length: 101 }, (_, index) => bound({ subject: `s${index}` })));
    expectProblem(many, 400, "invalid");
    expect(await stored()).toEqual(before);
  });

  it("is told shortest, and an instant to the second in one way", async () => {
    const { document, become } = await robot(bound({ expires_at: "2099-01-01T02:00:00.987+02:00", api: false }));
    const entry = bound({ expires_at: "2099-01-01T00:00:00.000Z" });
    expect(await document()).toEqual([entry]);
    expect(versions(await become(entry))).toEqual([1]);
  });

  it.each<[string, object, (string | number)[]]>([
    ["an id", { id: "00000000-0000-4000-8000-000000000000" }, []],
    ["Quay's isExpanded", { isExpanded: true }, []],
    ["a subject that is no prefix", { subject: "repo*" }, ["subject"]],
    ["no subject", { subject: undefined }, ["subject"]],
    ["a condition of no kind", { claims: { ref: { matches: ".*" } } }, ["claims", "ref"]],
    ["a lifetime that is too long", { token_ttl: 3601 }, ["token_ttl"]],
    ["an issuer that is none", { issuer: "main" }, ["issuer"]],
  ])("is refused with %s", async (_, more, path) => {
    const { name, put, stored } = await robot(bound());
    const refused = await put(bound({ subject: "fine" }), bound(more));
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors.map((one: { path: unknown }) => one.path)).toEqual([
      ["robots", name, "federation", 1, ...path],
    ]);
    expect(versions(await stored())).toEqual([1]);
  });
});

describe("issuers that share a string", () => {
  const shared = "https://kubernetes.default.svc.cluster.local";
  const entry = (more: object = {}) => ({ issuer: shared, subject: "system:serviceaccount:acme:ci", ...more });

  it("are told apart by their id, which a document has where it is needed", async () => {
    const makeCluster = async (name: string) => {
      const { jwk } = await createSigner(shared);
      return (await register(berth, shared, { name, jwks: { keys: [jwk] } })).id;
    };
    const one = await makeCluster("one");
    const { name, put, become, stored, document } = await robot(entry());
    expect(await document()).toEqual([entry()]);
    const [before] = await stored();
    expect(before?.issuer_id).toBe(one);

    const other = await makeCluster("other");
    expect(await document()).toEqual([entry({ issuer_id: one })]);
    for (const same of [entry(), entry({ issuer_id: one })]) {
      expect(await become(same)).toMatchObject([{ id: before?.id, version: 1, issuer_id: one }]);
    }
    const both = await become(entry({ issuer_id: other }), entry({ issuer_id: one }));
    expect(both).toMatchObject([
      { issuer_id: other, version: 1 },
      { id: before?.id, issuer_id: one, version: 1 },
    ]);
    expect(await document()).toEqual([entry({ issuer_id: other }), entry({ issuer_id: one })]);

    const [moved] = await become(entry({ issuer_id: other }));
    expect(moved).toMatchObject({ id: both[0]?.id, version: 1 });
    const unclear = await (await robot()).put(entry());
    expectProblem(unclear, 400, "invalid");
    expect(unclear.body.errors[0]).toMatchObject({ path: expect.arrayContaining(["issuer_id"]) });
    expect(unclear.body.errors[0].message).toContain(one);
    const wrong = await put(entry({ issuer_id: "00000000-0000-4000-8000-000000000000" }));
    expect(wrong.body.errors).toMatchObject([{ path: ["robots", name, "federation", 0, "issuer_id"] }]);
  });
});
