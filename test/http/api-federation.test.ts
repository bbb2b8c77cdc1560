import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { callRaw, expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth({ environment: { BERTH_ALLOW_INSECURE_ISSUERS: "false" } });
  await berth.createRobot("acme+ci", {});
});

afterAll(() => berth.remove());

const path = "/organization/acme/robots/ci/federation";
const P = { issuer: "https://ci.example", subject: "repo:acme/app:ref:refs/heads/main" };
const Q = { issuer: "https://ci.example", subject: "repo:acme/web:*" };
const post = (entries: unknown) => berth.api("POST", path, entries);

describe("a federation list", () => {
  it("is answered with what is stored, in its own order", async () => {
    const { status, body } = await post([Q, P]);
    expect(status).toBe(200);
    expect(body).toEqual(
      [Q, P].map((pair) => ({
        ...pair,
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        version: 1,
        issuer_id: body[0].issuer_id,
        audiences: null,
        clients: null,
        claims: null,
        token_ttl: null,
        scope: null,
        mode: "enforce",
        api: false,
        expires_at: null,
        description: null,
        created: expect.stringMatching(/Z$/),
        last_used: null,
        use_count: 0,
        warnings: [expect.stringMatching(/^The issuer cannot be used right now/)],
      })),
    );
    expect((await berth.api("GET", path)).body).toEqual(body);
    expect((await post([P, Q])).body).toEqual(body.toReversed());
  });

  it("may be sent back as it was read, and then changes nothing", async () => {
    const full = {
      ...P,
      audiences: ["a"],
      clients: ["c"],
      claims: {
        ref: { prefix: "refs/heads/" },
        n: { in: [1, true, "x"] },
        g: { contains: "ci" },
        e: { equals: false },
      },
      token_ttl: 300,
      scope: "repository:acme/{project}:pull",
      mode: "audit",
      expires_at: "2030-01-01T00:00:00.000Z",
      description: "all of it",
    };
    const { body } = await post([full, Q]);
    expect(body[0]).toMatchObject(full);
    expect((await post(body)).body).toEqual(body);
    expect((await post([full, Q])).body).toEqual(body);
  });

  it("leaves a binding with conditions as it is where Quay's client repeats its pair", async () => {
    const { body } = await post([{ ...P, claims: { ref: { equals: "x" } } }]);
    expect((await post([P])).body).toEqual(body);
    expect((await post([{ ...P, isExpanded: true }])).body).toEqual(body);
  });

  it("makes a new version of what decides, and of nothing else", async () => {
    const version = async (more: object) => (await post([{ ...P, ...more }])).body[0].version;
    await post([]);
    expect(await version({ description: "a" })).toBe(1);
    expect(await version({ description: "b" })).toBe(1);
    expect(await version({ audiences: ["a"] })).toBe(2);
    expect(await version({ audiences: ["a"], description: "c" })).toBe(2);
    expect(await version({ audiences: ["a"], claims: {} })).toBe(2);
    expect(await version({ audiences: ["b"] })).toBe(3);
  });

  it("warns of Keycloak's own audience", async () => {
    const [{ warnings }] = (await post([{ ...P, audiences: ["account"] }])).body;
    expect(warnings).toContainEqual(expect.stringContaining("Keycloak"));
  });

  it("is cleared by an empty one, and by DELETE, which may come twice", async () => {
    await post([P]);
    expect((await post([])).body).toEqual([]);
    await post([P]);
    for (let times = 0; times < 2; times += 1) {
      const { status, body } = await berth.api("DELETE", path);
      expect([status, body]).toEqual([204, ""]);
    }
    expect((await berth.api("GET", path)).body).toEqual([]);
  });
});

describe("a federation list that is refused", () => {
  it.each<[string, unknown]>([
    ["is no list", P],
    ["is null", null],
    ["has no issuer", [{ subject: "x" }]],
    ["has no subject", [{ issuer: P.issuer }]],
    ["has an issuer that is no text", [{ ...P, issuer: 1 }]],
    ["has an issuer on plain http", [{ ...P, issuer: "http://ci.example" }]],
    ["has an issuer with a query", [{ ...P, issuer: "https://ci.example?x" }]],
    ["has an empty subject", [{ ...P, subject: "" }]],
    ["has a wildcard anywhere", [{ ...P, subject: "repo:*:ref" }]],
    ["has an unknown key", [{ ...P, audience: ["x"] }]],
    ["has an unknown key beside Quay's own", [{ ...P, isExpanded: true, extra: 1 }]],
    ["has an unknown condition", [{ ...P, claims: { ref: { matches: ".*" } } }]],
    ["has a condition with two tests", [{ ...P, claims: { ref: { equals: "a", prefix: "a/" } } }]],
    ["has an empty condition", [{ ...P, claims: { ref: {} } }]],
    ["has an empty operand", [{ ...P, claims: { ref: { equals: "" } } }]],
    ["has an empty operand in a list", [{ ...P, claims: { ref: { in: ["a", ""] } } }]],
    ["has a condition on null", [{ ...P, claims: { ref: { equals: null } } }]],
    ["has a condition without a claim", [{ ...P, claims: { "": { equals: "a" } } }]],
    ["has nobody for an audience", [{ ...P, audiences: [] }]],
    ["has an empty audience", [{ ...P, audiences: [""] }]],
    ["lets tokens live too long", [{ ...P, token_ttl: 3601 }]],
    ["lets tokens live half a second more", [{ ...P, token_ttl: 300.5 }]],
    ["has a scope that is none", [{ ...P, scope: "pull" }]],
    ["has another mode", [{ ...P, mode: "off" }]],
    ["has a date that is none", [{ ...P, expires_at: "tomorrow" }]],
    ["repeats an entry exactly", [P, Q, P]],
    ["repeats an entry exactly but for Quay's mark", [P, { ...P, isExpanded: true }]],
    [
      "repeats an entry exactly, conditions in another order",
      [
        { ...P, claims: { a: { equals: 1 }, b: { equals: 2 } } },
        { ...P, claims: { b: { equals: 2 }, a: { equals: 1 } } },
      ],
    ],
    ["has too many entries", Array.from({ length: 101 }, (_, index) => ({ ...P, subject: `s${index}` }))],
  ])("because it %s is 400, and changes nothing", async (_, entries) => {
    const before = (await post([Q])).body;
    expectProblem(await post(entries), 400, "invalid");
    expect((await berth.api("GET", path)).body).toEqual(before);
  });

  it.each([
    '[{"issuer":"https://ci.example","subject":"x","claims":{"__proto__":{"equals":"x"}}}]',
    '[{"issuer":"https://ci.example","subject":"x","__proto__":{"claims":{}}}]',
    '[{"issuer":"https://ci.example","__proto__":{"subject":"x"}}]',
  ])("loses no member silently: %s", async (body) => {
    const before = (await post([Q])).body;
    expectProblem(await callRaw(berth, "POST", path, body), 400, "invalid");
    expect((await berth.api("GET", path)).body).toEqual(before);
  });

  it("because several bindings could be meant is 409, and names the entry", async () => {
    const before = (
      await post([
        { ...P, audiences: ["a"] },
        { ...P, audiences: ["b"] },
      ])
    ).body;
    const answer = await post([Q, { ...P, audiences: ["c"] }]);
    expectProblem(answer, 409, "conflict");
    expect(answer.body.errors).toEqual([{ path: [1, "id"], message: expect.any(String) }]);
    expect((await berth.api("GET", path)).body).toEqual(before);
    const named = await post([{ ...P, audiences: ["c"], id: before[1].id }]);
    expect(named.body).toMatchObject([{ id: before[1].id, version: 2, audiences: ["c"] }]);
  });

  it("because it names a binding that is not there, or another robot's, is 409", async () => {
    await berth.createRobot("acme+neighbour", { federation: [P] });
    const [other] = (await berth.api("GET", "/organization/acme/robots/neighbour/federation")).body;
    for (const id of [other.id, "00000000-0000-4000-8000-000000000000"]) {
      expectProblem(await post([{ ...P, id }]), 409, "conflict");
    }
    expect((await berth.api("GET", "/organization/acme/robots/neighbour/federation")).body).toEqual([other]);
  });
});
