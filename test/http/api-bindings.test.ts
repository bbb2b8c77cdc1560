import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { expectProblem } from "../support/problems.ts";
import { askRegistryToken } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
const path = "/organization/acme/robots/ci/federation/bindings";
const unknown = "00000000-0000-7000-8000-000000000000";

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  await berth.createRobot("acme+ci");
  await berth.createRobot("acme+other");
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

const bind = (terms: object) => berth.api("POST", path, { issuer: issuer.url, ...terms });
const list = async () => (await berth.api("GET", path.replace("/bindings", ""))).body;

describe("a binding", () => {
  it("is added behind the others, read, changed where it stands, and deleted", async () => {
    const first = await bind({ subject });
    const second = await bind({ subject, claims: { ref: { equals: "main" } }, description: "main" });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(await list()).toEqual([first.body, second.body]);
    expect((await berth.api("GET", `${path}/${second.body.id}`)).body).toEqual(second.body);

    const described = await berth.api("PATCH", `${path}/${first.body.id}`, { description: "all" });
    expect(described.body).toEqual({ ...first.body, description: "all" });
    const narrowed = await berth.api("PATCH", `${path}/${first.body.id}`, { token_ttl: 300, description: null });
    expect(narrowed.body).toEqual({ ...first.body, token_ttl: 300, version: 2 });
    expect(await list()).toEqual([narrowed.body, second.body]);

    expect((await berth.api("DELETE", `${path}/${first.body.id}`)).status).toBe(204);
    expect(await list()).toEqual([second.body]);
    expectProblem(await berth.api("GET", `${path}/${first.body.id}`), 404, "not_found");
  });

  it("ends what was minted by it when it is changed or deleted, and nothing else", async () => {
    const one = await bind({ subject: "one" });
    const other = await bind({ subject: "other" });
    const mint = async (sub: string) =>
      (await berth.exchange("acme+ci", await issuer.sign(berth.url, { sub }))).body.token;
    const tokens = { one: await mint("one"), other: await mint("other") };
    const statusOf = async (token: string) => (await askRegistryToken(berth, "", ["acme+ci", token])).status;

    await berth.api("PATCH", `${path}/${one.body.id}`, { description: "as it was" });
    expect(await statusOf(tokens.one)).toBe(200);
    await berth.api("PATCH", `${path}/${one.body.id}`, { token_ttl: 300 });
    expect(await statusOf(tokens.one)).toBe(401);
    expect(await statusOf(tokens.other)).toBe(200);
    await berth.api("DELETE", `${path}/${other.body.id}`);
    expect(await statusOf(tokens.other)).toBe(401);
  });

  it("that has expired is told to accept no token", async () => {
    const { body } = await bind({ subject: "past", expires_at: "2020-01-01T00:00:00Z" });
    expect(body.warnings).toEqual([expect.stringContaining("expired at 2020-01-01T00:00:00.000Z")]);
    const later = await berth.api("PATCH", `${path}/${body.id}`, { expires_at: "2099-01-01T00:00:00Z" });
    expect(later.body.warnings).toEqual([]);
  });

  it("is refused where it says exactly what another says", async () => {
    await bind({ subject: "twice" });
    expectProblem(await bind({ subject: "twice" }), 409, "conflict");
  });

  it("is refused with every problem named, at its place", async () => {
    const answer = await bind({ subject: "", audiences: [], scope: "x" });
    expectProblem(answer, 400, "invalid");
    expect(answer.body.errors.map(({ path: at }: { path: unknown }) => at)).toEqual([
      ["subject"],
      ["audiences"],
      ["scope"],
    ]);
    expectProblem(await bind({ subject, audience: ["typo"] }), 400, "invalid");
    expectProblem(await bind({ subject, issuer_id: unknown }), 400, "invalid");
  });

  it("for an issuer that strangers share must name somebody", async () => {
    const github = { issuer: "https://token.actions.githubusercontent.com", subject: "repo:*" };
    const before = await list();
    expectProblem(await bind(github), 400, "invalid");
    expect(await list()).toEqual(before);
  });

  it("of another robot is not there", async () => {
    const { body } = await bind({ subject: "mine" });
    const others = path.replace("/ci/", "/other/");
    for (const id of [body.id, unknown]) {
      expectProblem(await berth.api("GET", `${others}/${id}`), 404, "not_found");
      expectProblem(await berth.api("PATCH", `${others}/${id}`, { mode: "audit" }), 404, "not_found");
      expectProblem(await berth.api("DELETE", `${others}/${id}`), 404, "not_found");
    }
    expect((await berth.api("GET", `${path}/${body.id}`)).body).toEqual(body);
  });
});

describe("the bindings to an issuer", () => {
  it("are listed with whose they are, page by page", async () => {
    await berth.createRobot("zeta+one", { federation: [{ issuer: issuer.url, subject: "shared" }] });
    await berth.createRobot("zeta+two", { federation: [{ issuer: issuer.url, subject: "shared" }] });
    const query = `/bindings?issuer=${encodeURIComponent(issuer.url)}&subject=shared`;
    const all = await berth.api("GET", query);
    expect(all.body.bindings.map(({ robot }: { robot: string }) => robot)).toEqual(["zeta+one", "zeta+two"]);
    const page = await berth.api("GET", `${query}&limit=1`);
    const next = await berth.api("GET", `${query}&limit=1&next_page=${page.body.next_page}`);
    expect([...page.body.bindings, ...next.body.bindings]).toEqual(all.body.bindings);
    expect(next.body.next_page).toBeUndefined();
    expect((await berth.api("GET", "/bindings?issuer=https://nobody.example")).body).toEqual({ bindings: [] });
  });
});
