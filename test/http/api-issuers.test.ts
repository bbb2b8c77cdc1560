import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { expectProblem } from "../support/problems.ts";
import { createSigner } from "../support/signer.ts";

let berth: TestBerth;
let issuer: TestIssuer;
const nobody = "00000000-0000-7000-8000-000000000000";

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

async function recordsOf(kind: string, id: string) {
  const { body } = await berth.api("GET", `/logs?kind=${kind}`);
  return body.logs.filter(({ metadata }: { metadata: { issuer_id: string } }) => metadata.issuer_id === id);
}

describe("an issuer", () => {
  it("is registered with what is left at its defaults, and read back the same", async () => {
    const { status, body } = await berth.api("POST", "/issuers", { issuer: issuer.url });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      issuer: issuer.url,
      registered: true,
      name: null,
      preset: null,
      jwks: null,
      jwks_uri: null,
      ca_pem: null,
      algorithms: null,
      allow_private_network: false,
      max_token_age: null,
      replay_protection: null,
      audiences: null,
      clients: null,
      disabled: false,
      created: expect.stringMatching(/Z$/),
      warnings: [],
    });
    expect(await berth.api("GET", `/issuers/${body.id}`)).toMatchObject({ status: 200, body });
    expect(await recordsOf("create_issuer", body.id)).toMatchObject([
      { performer: { name: "admin" }, outcome: "success", metadata: { issuer: issuer.url, name: null } },
    ]);
  });

  it("is registered with all that it can have, and read back the same", async () => {
    const string = "https://everything.example/";
    const { jwk } = await createSigner(string, "one", "ES384");
    const settings = {
      name: "everything",
      preset: "keycloak",
      jwks: { keys: [jwk] },
      algorithms: ["ES384"],
      allow_private_network: true,
      max_token_age: 172_800,
      replay_protection: true,
      audiences: ["a"],
      clients: ["b"],
      disabled: true,
    };
    const made = await register(berth, string, settings);
    expect(made).toMatchObject({ issuer: string, ...settings });
    const { body } = await berth.api("GET", `/issuers/${made.id}`);
    expect(body).toEqual(made);
    expect(body.warnings).toEqual([expect.stringMatching(/disabled/)]);
  });

  it("is listed, by its string too, a page at a time", async () => {
    const strings = ["https://listed-1.example", "https://listed-2.example", "https://listed-3.example"];
    for (const string of strings) await register(berth, string, { disabled: true });
    const seen: string[] = [];
    for (let after = ""; ; ) {
      const { status, body } = await berth.api("GET", `/issuers?limit=2${after}`);
      expect(status).toBe(200);
      expect(body.issuers.length).toBeLessThanOrEqual(2);
      seen.push(...body.issuers.map((one: { issuer: string }) => one.issuer));
      if (body.next_page === undefined) break;
      after = `&next_page=${body.next_page}`;
    }
    expect(seen.filter((one) => strings.includes(one))).toEqual(strings);
    expect(new Set(seen).size).toBe(seen.length);
    const { body } = await berth.api("GET", `/issuers?issuer=${encodeURIComponent(strings[1] ?? "")}`);
    expect(body.issuers.map((one: { issuer: string }) => one.issuer)).toEqual([strings[1]]);
  });

  it("is changed in what is sent, and in nothing else", async () => {
    const {
      id,
      warnings: _,
      ...before
    } = await register(berth, "https://changed.example", {
      name: "before",
      audiences: ["x"],
      disabled: true,
    });
    const { status, body } = await berth.api("PATCH", `/issuers/${id}`, { name: "after", max_token_age: 60 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ ...before, name: "after", max_token_age: 60 });
    const cleared = await berth.api("PATCH", `/issuers/${id}`, { name: null, audiences: null, max_token_age: null });
    expect(cleared.body).toMatchObject({ ...before, name: null, audiences: null });
    expect(await recordsOf("change_issuer", id)).toMatchObject([
      { before: { name: "after" }, after: { name: null, audiences: null, max_token_age: null } },
      { before: { name: "before" }, after: { name: "after", max_token_age: 60 } },
    ]);
  });

  it("has a name that no other has, when it is made and when it is changed", async () => {
    const { id } = await register(berth, "https://one.example", { name: "one", disabled: true });
    const taken = await berth.api("POST", "/issuers", { issuer: "https://two.example", name: "one" });
    expectProblem(taken, 409, "conflict");
    expect(taken.body.errors).toEqual([{ path: ["name"], message: "is another issuer's" }]);
    const { id: second } = await register(berth, "https://two.example", { name: "two", disabled: true });
    expectProblem(await berth.api("PATCH", `/issuers/${second}`, { name: "one" }), 409, "conflict");
    expect((await berth.api("PATCH", `/issuers/${id}`, { name: "one" })).status).toBe(200);
  });

  it("is deleted, and then is not there", async () => {
    const { id } = await register(berth, "https://deleted.example", { disabled: true });
    expect(await berth.api("DELETE", `/issuers/${id}`)).toMatchObject({ status: 204, body: "" });
    expectProblem(await berth.api("GET", `/issuers/${id}`), 404, "not_found");
    expect(await recordsOf("delete_issuer", id)).toMatchObject([{ metadata: { bindings: 0 } }]);
  });

  it("that is bound is deleted only with the bindings to it", async () => {
    const string = "https://bound.example";
    const signer = await createSigner(string);
    const { id } = await register(berth, string, { jwks: { keys: [signer.jwk] } });
    const robot = await makeRobot(berth, { issuer: string, subject }, { issuer: issuer.url, subject });
    const refused = await berth.api("DELETE", `/issuers/${id}`);
    expect(expectProblem(refused, 409, "conflict")).toContain("cascade=true");
    expect((await robot.exchange(await signer.sign(berth.url))).status).toBe(200);
    expect((await berth.api("DELETE", `/issuers/${id}?cascade=true`)).status).toBe(204);
    expect(await robot.bindings()).toMatchObject([{ issuer: issuer.url }]);
  });

  it.each([
    ["GET", undefined],
    ["PATCH", { name: "x" }],
    ["DELETE", undefined],
  ])("that is not there is 404 to %s", async (method, body) => {
    expectProblem(await berth.api(method, `/issuers/${nobody}`, body), 404, "not_found");
    expectProblem(await berth.api(method, "/issuers/no-id", body), 400, "invalid");
  });

  it("that is not there cannot be refreshed", async () => {
    expectProblem(await berth.api("POST", `/issuers/${nobody}/refresh`), 404, "not_found");
  });

  it("that a binding opened is listed as not registered, and a change registers it", async () => {
    const opened = await startIssuer();
    const robot = await makeRobot(berth, { issuer: opened.url, subject });
    const find = async () => (await berth.api("GET", `/issuers?issuer=${encodeURIComponent(opened.url)}`)).body.issuers;
    const [listed] = await find();
    expect(listed).toMatchObject({ issuer: opened.url, registered: false });
    expect(await robot.bindings()).toMatchObject([{ issuer_id: listed.id }]);
    const changed = await berth.api("PATCH", `/issuers/${listed.id}`, { name: "no longer opened" });
    expect(changed).toMatchObject({ status: 200, body: { id: listed.id, registered: true } });
    expect(await find()).toHaveLength(1);
    expect((await robot.exchange(await opened.sign(berth.url))).status).toBe(200);
    await opened.close();
  });
});
